package cli

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"
)

// completionCommand prints a script for a shell. The scripts ask the program
// itself what can stand next, so they never go stale.
func completionCommand(p *Program, app *cli.App) *Command {
	return &Command{
		Name:        "completion",
		Usage:       "print a completion script for a shell",
		Args:        "bash|zsh|fish|powershell",
		Description: "Load it into the running shell: source <(" + p.Name + " completion bash)",
		Run: func(_ context.Context, call *Call) error {
			if len(call.Files) != 1 {
				return Errorf(Usage, "completion wants one shell").WithHint("one of: bash, zsh, fish, powershell")
			}
			if call.Files[0] == "fish" {
				script, err := app.ToFishCompletion()
				if err != nil {
					return err
				}
				return call.Data([]byte(script))
			}
			script, ok := completionScripts[call.Files[0]]
			if !ok {
				return Errorf(Usage, "unknown shell %q", call.Files[0]).WithHint("one of: bash, zsh, fish, powershell")
			}
			return call.Data([]byte(strings.ReplaceAll(script, "PROGRAM", p.Name)))
		},
	}
}

// manCommand prints the manual page; it is for packagers and hidden.
func manCommand(app *cli.App) *Command {
	return &Command{
		Name: "man",
		Run: func(_ context.Context, call *Call) error {
			page, err := app.ToManWithSection(1)
			if err != nil {
				return err
			}
			return call.Data([]byte(page))
		},
	}
}

var completionScripts = map[string]string{
	"bash": `_PROGRAM_complete() {
    local word=${COMP_WORDS[COMP_CWORD]}
    local line=("${COMP_WORDS[@]:0:COMP_CWORD}")
    [[ $word == -* ]] && line+=("$word")
    local IFS=$'\n'
    COMPREPLY=($(compgen -W "$("${line[@]}" --generate-bash-completion 2>/dev/null)" -- "$word"))
}
complete -o bashdefault -o default -F _PROGRAM_complete PROGRAM
`,
	"zsh": `#compdef PROGRAM
_PROGRAM() {
    local -a line options
    line=("${words[@]:0:$((CURRENT - 1))}")
    [[ ${words[CURRENT]} == -* ]] && line+=("${words[CURRENT]}")
    options=("${(@f)$("${line[@]}" --generate-bash-completion 2>/dev/null)}")
    [[ -n ${options[1]} ]] && _describe PROGRAM options
    _files
}
if [[ ${funcstack[1]} == _PROGRAM ]]; then
    _PROGRAM "$@" # zsh loads this file when completion is first asked for
else
    compdef _PROGRAM PROGRAM
fi
`,
	"powershell": `Register-ArgumentCompleter -Native -CommandName PROGRAM -ScriptBlock {
    param($word, $ast, $position)
    $line = @($ast.CommandElements | ForEach-Object { $_.Extent.Text } | Where-Object { $_ -ne $word -or $word -like '-*' })
    & $line[0] @($line | Select-Object -Skip 1) --generate-bash-completion 2>$null | Where-Object { $_ -like "$word*" } |
        ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
`,
}
