"""SendGrid as far as we use it: v3 mail send, its real answers, and a page that shows what was sent."""
