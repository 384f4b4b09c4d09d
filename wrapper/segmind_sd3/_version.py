__version__ = "0.1.0"
USER_AGENT = f"segmind-sd3/{__version__}".encode()
