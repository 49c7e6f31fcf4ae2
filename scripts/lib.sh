# What the scripts share: installing what is missing, building the server. Sourced, not run.

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

# CPU-seconds of a first build (measured with `cargo build --timings`), of which a core alone does the last minute; and
# of one after which RocksDB and the other crates stay as they are.
FIRST_BUILD_CPU_S=1600 LATER_BUILD_CPU_S=300

# Minutes that so many CPU-seconds take on this machine.
minutes() { echo $((($1 / $(nproc) + 90) / 60)); }

# Builds the server, and says before what there is to build and about how long it takes.
build_server() {
    ensure_build_tools
    local target=${CARGO_TARGET_DIR:-target} quiet=()
    if ! compgen -G "$target/release/build/librocksdb-sys-*/out/librocksdb.a" >/dev/null; then
        echo "first build: RocksDB (C++) and about 210 crates, about $(minutes $FIRST_BUILD_CPU_S) minutes on $(nproc) cores;" \
            "RocksDB alone is two thirds of that"
    elif [ ! -x "$target/release/couronne" ] || [ -n "$(newer_sources "$target/release/couronne")" ]; then
        echo "building what changed, at most about $(minutes $LATER_BUILD_CPU_S) minutes on $(nproc) cores"
    else
        quiet=(--quiet)
    fi
    # --workspace: third-party crates then have the features that scripts/test builds them with.
    cargo build --release --locked "${quiet[@]}" --workspace --bin couronne
}

# A source file that is newer than file $1, if there is one.
newer_sources() {
    find . \( -name target -o -name .git \) -prune -o \( -name '*.rs' -o -name Cargo.toml -o -name Cargo.lock \) -newer "$1" -print -quit
}
