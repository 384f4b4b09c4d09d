"""`python -m segmind_sd3_contract.cassettes`."""

from segmind_sd3_contract.cassettes.commands import cassettes

if __name__ == "__main__":
    cassettes(prog_name="python -m segmind_sd3_contract.cassettes")
