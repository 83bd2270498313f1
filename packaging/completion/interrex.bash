# bash completion for interrex: commands, options, and the nodes, releases and heights that are there.

_interrex_nodes() {
        local directory=${INTERREX_STATE_DIR:-/var/lib/interrex} run=${INTERREX_RUN_DIR:-/run/interrex} folder
        for folder in "$directory"/*/ "$run"/*/; do
                [[ -d $folder ]] && basename "$folder"
        done 2>/dev/null | sort -u
}

_interrex_releases() {
        local folder=${INTERREX_STATE_DIR:-/var/lib/interrex}/$1/releases release
        for release in "$folder"/*/; do
                [[ -d $release ]] && basename "$release"
        done 2>/dev/null
}

_interrex() {
        local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command= group= options= place=0 node= i
        COMPREPLY=()
        case $previous in
        --state-dir | --run-dir)
                mapfile -t COMPREPLY < <(compgen -d -- "$word")
                return
                ;;
        --at | --sha256) return ;;
        --signature | --html)
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
                return
                ;;
        esac
        for ((i = 1; i < COMP_CWORD; i++)); do
                case ${COMP_WORDS[i]} in
                --at | --sha256 | --signature | --html | --state-dir | --run-dir) ((i++)) ;;
                -*) ;;
                *)
                        if [[ -z $command ]]; then
                                command=${COMP_WORDS[i]}
                        elif [[ $command == release || $command == schedule || $command == import ]] && [[ -z $group ]]; then
                                group=${COMP_WORDS[i]}
                        else
                                [[ -n $node ]] || node=${COMP_WORDS[i]}
                                ((place++))
                        fi
                        ;;
                esac
        done
        if [[ -z $command ]]; then
                mapfile -t COMPREPLY < <(compgen -W "run status plan watch release schedule upgrade rollback cancel accept-state restart stop history report rehearse import doctor check help version --help --version" -- "$word")
                return
        fi
        case "$command $group" in
        "release ") options="add list manifest remove" ;;
        "schedule ") options="show set remove import" ;;
        "import ") options="cosmovisor" ;;
        "run " | "check ")
                mapfile -t COMPREPLY < <(compgen -f -X '!*.y?(a)ml' -- "$word"; compgen -d -- "$word")
                return
                ;;
        "help ") options="run status plan watch release schedule upgrade rollback cancel accept-state restart stop history report rehearse import doctor check version" ;;
        "doctor ") [[ $word == -* ]] && options="--json" ;;
        *)
                if [[ $word == -* ]]; then
                        options="--state-dir --run-dir --help"
                        case "$command $group" in
                        "status " | "plan " | "history " | "rehearse " | "release list" | "schedule show") options+=" --json" ;;
                        "watch ") options+=" --once" ;;
                        "release add") options+=" --sha256 --signature" ;;
                        "schedule import") options+=" --signature" ;;
                        "upgrade ") options+=" --at --now --wait" ;;
                        "rollback " | "restart ") options+=" --wait" ;;
                        esac
                elif [[ $command == import ]]; then
                        mapfile -t COMPREPLY < <(compgen -d -- "$word")
                        return
                elif ((place == 0)); then
                        options=$(_interrex_nodes)
                elif ((place == 1)) && [[ "$command $group" == "upgrade " || "$command $group" == "rehearse " || "$command $group" == "release remove" || "$command $group" == "release manifest" ]]; then
                        options=$(_interrex_releases "$node")
                elif [[ "$command $group" == "release add" || "$command $group" == "schedule import" ]]; then
                        mapfile -t COMPREPLY < <(compgen -f -- "$word")
                        return
                fi
                ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
}

complete -F _interrex interrex
