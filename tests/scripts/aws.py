"""The real aws-cli for many commands: it is loaded once, and each command is a fork of the process that loaded it.

aws.py    takes a command a line from its standard input, {"arguments", "environment", "folder"}, runs it to
          its end, and answers with a line, {"status", "out", "err"}

Most of what a command costs is otherwise the loading.
"""
import gc
import json
import os
import sys
import tempfile
import traceback

import awscli.clidriver
import awscli.customizations.s3.s3
import awscli.customizations.s3.s3handler
import awscli.customizations.s3.subcommands
import awscli.handlers


def run(command, out, err):
    """What the command `aws` does, in a process of its own; never returns."""
    status = 255
    try:
        for number, file in enumerate([open(os.devnull), out, err]):
            os.dup2(file.fileno(), number)
        os.chdir(command["folder"])
        # Where the loaded aws-cli found its data stands there, too.
        data = os.environ["AWS_DATA_PATH"]
        os.environ.clear()
        os.environ.update(command["environment"], AWS_DATA_PATH=data)
        sys.argv = ["aws", *command["arguments"]]
        status = awscli.clidriver.main()
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status or 0)


def main():
    # Forks share what they do not write to.
    gc.freeze()
    for line in sys.stdin:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if child == 0:
                run(json.loads(line), out, err)
            _, status = os.waitpid(child, 0)
            said = [os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0) for file in (out, err)]
        out, err = (text.decode(errors="replace") for text in said)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "out": out, "err": err}), flush=True)


if __name__ == "__main__":
    main()
