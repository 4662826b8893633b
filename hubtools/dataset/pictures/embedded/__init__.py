"""What lies inside a picture file: EXIF, rights, C2PA, chunks, trailers."""
