"""What is put on AWS: package.py builds the zip of both Lambda functions (`make lambda`)."""
