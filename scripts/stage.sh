# shellcheck shell=bash
# Lays out what is installed, for `scripts/install.sh` and `scripts/package.sh`. Needs scripts/setup.sh.

# Builds the program with the Swift runtime in it, and the commit known to it. Prints where it is.
build_release() {
    local commit
    commit=${OMNIWAY_COMMIT:-$(git -C "$root" describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null || echo unknown)}
    OMNIWAY_COMMIT=$commit swift build --package-path "$root" --scratch-path "$root/.build/package" \
        --configuration release --static-swift-stdlib --product omniway >&2
    echo "$root/.build/package/release/omniway"
}

# stage <program> <folder> <prefix>: everything but settings, below folder/prefix.
stage() {
    local program=$1 into=$2$3
    install -D -m 755 "$program" "$into/bin/omniway"
    if command -v strip >/dev/null; then strip --strip-debug "$into/bin/omniway"; fi # Profiles need the other names.
    mkdir -p "$into/share/bash-completion/completions" "$into/share/zsh/vendor-completions" \
        "$into/share/fish/vendor_completions.d" "$into/share/man/man1" "$into/share/doc/omniway"
    "$program" completion bash >"$into/share/bash-completion/completions/omniway"
    "$program" completion zsh >"$into/share/zsh/vendor-completions/_omniway"
    "$program" completion fish >"$into/share/fish/vendor_completions.d/omniway.fish"
    "$program" manual | gzip -9n >"$into/share/man/man1/omniway.1.gz"
    "$program" check --sample >"$into/share/doc/omniway/omniway.sample.json5"
    install -m 644 "$root/share/grafana/omniway.json" "$root/share/prometheus/alerts.yml" "$into/share/doc/omniway"
    install -m 644 "$root/LICENSE" "$into/share/doc/omniway/copyright"
}
