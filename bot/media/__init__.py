"""Media files: reference images, result videos, transcoding, and links to them."""
