"""Completion in bash: names and files beside each other, words whole."""

from __future__ import annotations

import os

from click.shell_completion import (
    BashComplete,
    add_completion_class,
    split_arg_string,
)

#: Otherwise than click's: files are offered beside names, not in their place; and bash
#: splits words at `@`, `=` and `:`, and is to be told what goes in the place of $2.
SOURCE = """\
%(complete_func)s() {
    local IFS=$'\\n' line="${COMP_LINE:0:COMP_POINT}" response completion type value
    local word="" behind="" files=""
    [[ $line =~ [^[:space:]]*$ ]] && word="${BASH_REMATCH[0]}"
    behind="${word%%"$2"}"
    response=$(env COMP_WORDS="$line" COMP_CWORD=-1 %(complete_var)s=bash_complete $1)
    COMPREPLY=()
    for completion in $response; do
        IFS=',' read type value <<< "$completion"
        case $type in
            dir) compopt -o dirnames ;;
            file) files=yes ;;
            plain) COMPREPLY+=("${value#"$behind"}") ;;
        esac
    done
    if [[ $files ]]; then
        compopt -o default
        if [[ ${#COMPREPLY[@]} != 0 ]]; then
            compopt -o filenames
            COMPREPLY+=($(compgen -f -- "$word"))
        fi
    fi
    return 0
}

%(complete_func)s_setup() {
    complete -o nosort -F %(complete_func)s %(prog_name)s
}

%(complete_func)s_setup;
"""


class Bash(BashComplete):
    """Bash, whole words and all."""

    source_template = SOURCE

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor, and the one that is being written."""
        if os.environ.get("COMP_CWORD") != "-1":
            return super().get_completion_args()
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)[1:]
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        return words, incomplete


add_completion_class(Bash, "bash")
