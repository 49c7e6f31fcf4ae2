# What scripts/serve and scripts/test share: installing what is missing. Sourced, not run.

# Runs a command; once more after a pause if it failed (package mirrors do at times).
again() { "$@" || { echo "once more in 10 s: $*" >&2; sleep 10; "$@"; }; }

# Installs the Debian packages that provide the commands or files given as COMMAND=PACKAGE or /FILE=PACKAGE.
ensure_packages() {
    local missing=() pair have
    for pair in "$@"; do
        have=${pair%%=*}
        case $have in
            /*) compgen -G "$have" >/dev/null || missing+=("${pair#*=}") ;;
            *) command -v "$have" >/dev/null || missing+=("${pair#*=}") ;;
        esac
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "please install: ${missing[*]}" >&2; return 1; }
        as_root=(sudo)
    fi
    echo "installing ${missing[*]}"
    again "${as_root[@]}" apt-get update -qq
    again "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# What a build takes: a C++ compiler and libclang (RocksDB and its bindings), cmake, and cargo.
ensure_build_tools() {
    ensure_packages c++=g++ clang=clang '/usr/lib/llvm-*/lib/libclang*.so*=libclang-dev' cmake=cmake
    [ -d "$HOME/.cargo/bin" ] && PATH="$HOME/.cargo/bin:$PATH"
    command -v cargo >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; return 1; }
}
