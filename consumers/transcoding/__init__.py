"""Films and pictures: taken in, checked, made fit to be shown."""
