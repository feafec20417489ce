"""Stand-in for CloudFront's API: invalidations, which empty the CDN stand-in's cache."""
