import FoundationEssentials
import Omniway
import OmniwayTesting
import Testing

/// What is installed: by a package, and without one.
@Suite(.timeLimit(.minutes(3))) struct PackageTests {
    private static let root =
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(3).joined(separator: "/")
    private static let omniway = BuiltProduct.path("omniway")

    /// With its own root folder, where the scripts of a package find none of the system's users and services.
    private static func dpkg(_ folder: String) -> String {
        "dpkg --root=\(folder)/disk --force-script-chrootless --force-not-root --force-depends --force-bad-path"
            + " --log=/dev/null"
    }

    @Test func `a package is installed, keeps changed settings, and is purged without leftovers`() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        let lines = try await RunningGateway.script(
            """
            set -e
            \(Self.root)/scripts/package.sh --program \(Self.omniway) --output \(path) 2>/dev/null
            mkdir -p \(path)/disk/var/lib/dpkg/info \(path)/disk/var/lib/dpkg/updates
            touch \(path)/disk/var/lib/dpkg/status
            find \(path)/disk -not -path '*/var/lib/dpkg*' | sort >\(path)/before
            \(Self.dpkg(path)) --install \(path)/omniway_*.deb >\(path)/log 2>&1 || { cat \(path)/log; exit 1; }
            (cd \(path)/disk && find usr etc -type f | sort)
            stat -c 'data %a' \(path)/disk/var/lib/omniway
            touch \(path)/disk/var/lib/omniway/registry.db
            \(path)/disk/usr/bin/omniway version
            echo '// mine' >>\(path)/disk/etc/omniway/omniway.json5
            \(Self.dpkg(path)) --remove omniway >>\(path)/log 2>&1
            tail -n 1 \(path)/disk/etc/omniway/omniway.json5
            \(Self.dpkg(path)) --purge omniway >>\(path)/log 2>&1
            find \(path)/disk -not -path '*/var/lib/dpkg*' | sort | diff \(path)/before - && echo nothing is left
            rm -rf \(path)/disk
            """, within: .seconds(150))
        #expect(lines.last == "code 0", "\(lines)")
        for file in [
            "etc/omniway/omniway.json5", "usr/bin/omniway", "usr/lib/systemd/system/omniway.service",
            "usr/lib/sysusers.d/omniway.conf", "usr/share/bash-completion/completions/omniway",
            "usr/share/man/man1/omniway.1.gz", "usr/share/doc/omniway/copyright", "data 700", "// mine",
            "omniway \(Version.current)", "nothing is left",
        ] {
            #expect(lines.contains(file), "\(file): \(lines)")
        }
    }

    @Test func `what is installed without a package runs, and is taken away again`() async throws {
        let folder = try TemporaryFolder()
        let install = "\(Self.root)/scripts/install.sh --prefix \(folder.path)/there"
        let lines = try await RunningGateway.script(
            """
            set -e
            \(install) --program \(Self.omniway)
            \(folder.path)/there/bin/omniway version | head -n 1
            \(install) --remove
            find \(folder.path)/there -type f
            rm -rf \(folder.path)/there
            """, within: .seconds(60))
        #expect(lines.dropFirst().first == "omniway \(Version.current)", "\(lines)")
        #expect(lines.last == "code 0" && lines.count == 4, "\(lines)")
    }

    private static let hasSystemd = ["/usr/bin", "/bin"].contains {
        FileManager.default.isExecutableFile(atPath: "\($0)/systemd-analyze")
    }

    @Test(.enabled(if: hasSystemd, "systemd-analyze is part of the Debian package systemd"))
    func `systemd takes the unit`() async throws {
        let folder = try TemporaryFolder()
        // The program, where the unit says that it is; and no manual, which may not be installed.
        let lines = try await RunningGateway.script(
            """
            sed -e 's|/usr/bin/omniway|\(Self.omniway)|' -e '/^Documentation=/d' \
                \(Self.root)/share/systemd/omniway.service >\(folder.path)/omniway.service
            systemd-analyze verify \(folder.path)/omniway.service
            """)
        #expect(lines == ["code 0"], "\(lines)")
    }

    @Test func `a doctor says what is wrong, and archives no secret`() async throws {
        let folder = try TemporaryFolder()
        try folder.write(
            "omniway.json5",
            """
            { \(WholeNode.ports) parts: ["gateway", "echo"], gateway: { serverAuthKey: "open sesame",
              clientAddr: ["127.0.0.1:0"], serverAddr: ["127.0.0.1:0"] }, echo: { listen: "192.0.2.1:7" } }
            """.replacing(
                "gateway: { clientAddr: [\"127.0.0.1:0\"], serverAddr: [\"127.0.0.1:0\"] },", with: ""))
        let lines = try await RunningGateway.script(
            """
            \(Self.omniway) doctor --config \(folder.file("omniway.json5")) --data \(folder.file("data")) \
                --bundle \(folder.file("report.tar"))
            code=$?
            tar -tf \(folder.file("report.tar")) | paste -sd' '
            tar -xOf \(folder.file("report.tar")) omniway/settings.txt omniway/doctor.txt
            grep -c sesame \(folder.file("report.tar"))
            exit $code
            """)
        #expect(lines.last == "code 1", "\(lines)")
        #expect(lines.contains { $0.hasPrefix("FAIL  echo: cannot listen on 192.0.2.1:7") }, "\(lines)")
        #expect(lines.contains("ok    gateway: can start"))
        #expect(lines.contains { $0.contains("omniway/settings.txt") && $0.contains("omniway/version.txt") })
        #expect(lines.contains("gateway.serverAuthKey: (is set)"))
        #expect(lines.dropLast().last == "0", "the key stands in the archive")
    }
}
