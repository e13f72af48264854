"""A page that runs the file in a browser, and Chromium that proves it."""
