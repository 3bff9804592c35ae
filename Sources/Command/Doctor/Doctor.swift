import FoundationEssentials
import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway doctor`: whether this machine and the settings are fit for `omniway up`, and an archive for those who help.
enum Doctor {
    private static let bundle = Flag(
        "bundle", .string, default: "", placeholder: "path",
        help: "Write what was found into this tar archive too, with limits, settings and metrics, and without secrets.")

    static let command = Command(
        "doctor", summary: "Looks at this machine and at the settings of `omniway up`, and says what is wrong.",
        notes: "It takes the flags of `omniway up`. Ends with 1 if something is wrong.", flags: [bundle] + Up.flags)

    static func run(_ call: Invocation) -> ExitCode {
        let environment = ProcessInfo.processInfo.environment
        Log.shared.level = .error  // The findings say it.
        Task.detached {
            var findings = Machine.findings()
            var archive = TarArchive()
            do {
                let settings = try Up.read(call, environment).settings
                let plan = try UpPlan(settings, environment: environment)
                findings.append(Finding(.well, "settings", "can be read"))
                findings += await node(plan, &archive)
                archive.add("settings.txt", lines(UpSettings.all.changes(to: settings).map(words)))
            } catch { findings.append(Finding(.wrong, "settings", "\(error)")) }
            for finding in findings { print(finding) }
            archive.add("doctor.txt", lines(findings.map(\.description)))
            archive.add("version.txt", "\(ShowVersion.text)\n")
            for (name, path) in Machine.files { archive.add(name, Machine.read(path) ?? "") }
            if !call[bundle].isEmpty { write(archive, to: call[bundle]) }
            leave(with: findings.contains { $0.state == .wrong } ? .runtime : .success)
        }
        while true { sleep(.max) }
    }

    private static func lines(_ lines: [String]) -> String { lines.map { "\($0)\n" }.joined() }

    private static func words(_ change: SettingChange) -> String {
        UpSettings.isSecret(change.path) ? "\(change.path): (is set)" : "\(change)"
    }

    private static func write(_ archive: TarArchive, to path: String) {
        do {
            try Data(archive.bytes).write(to: URL(filePath: path))
            print("wrote \(path); read it before you give it away")
        } catch {
            complain("omniway doctor: cannot write \(path): \(error)")
            leave(with: .runtime)
        }
    }

    // MARK: The node

    /// Where one runs it is asked; where none does, each part is started for a moment.
    private static func node(_ plan: UpPlan, _ archive: inout TarArchive) async -> [Finding] {
        var findings = [folder(plan.folder)] + certificates(plan)
        if let admin = plan.process.admin, let state = await ask("/readyz", at: admin) {
            let isReady = state.hasPrefix("ready\n") && !state.contains("degraded")
            let said = state.split(separator: "\n").joined(separator: ", ")
            findings.append(Finding(isReady ? .well : .doubtful, "node", "answers at \(admin): \(said)"))
            archive.add("readyz.txt", state)
            archive.add("metrics.txt", await ask("/metrics", at: admin) ?? "")
            return findings
        }
        findings.append(Finding(.well, "node", "none runs with these settings"))
        for found in await Check.findings(plan) {
            findings.append(Finding(found.fault == nil ? .well : .wrong, found.what, found.fault ?? "can start"))
        }
        return findings
    }

    private static func ask(_ path: String, at address: SocketAddress) async -> String? {
        var limits = HTTPClientLimits()
        (limits.connect, limits.whole, limits.quiet) = (.seconds(2), .seconds(10), .seconds(10))
        let patience = limits
        let client = await EventLoop().own { loop in
            HTTPClient(on: loop, StreamDialer(address), host: "\(address)", limits: patience)
        }
        return try? await client.get(path).text
    }

    private static func folder(_ folder: DataFolder) -> Finding {
        var isFolder = false
        guard FileManager.default.fileExists(atPath: folder.path, isDirectory: &isFolder) else {
            return Finding(.well, "data", "\(folder.path) will be made at the first start")
        }
        guard isFolder, FileManager.default.isWritableFile(atPath: folder.path) else {
            return Finding(.wrong, "data", "this user may not write in \(folder.path); choose another --data")
        }
        let attributes = try? FileManager.default.attributesOfItem(atPath: folder.path)
        let mode = (attributes?[.posixPermissions] as? Int) ?? 0o700
        guard mode & 0o077 == 0 else {
            return Finding(.doubtful, "data", "others may enter \(folder.path), which has keys; chmod 700 it")
        }
        return Finding(.well, "data", "\(folder.path) is this user's alone")
    }

    private static func certificates(_ plan: UpPlan) -> [Finding] {
        let gateway = plan.gateway.identity.map { [$0] } ?? []
        return gateway.map { certificate("gateway's certificate", $0) }
            + plan.tunnel.identities.map { certificate("tunnel's certificate", $0) }
    }

    private static func certificate(_ name: String, _ identity: TLSIdentity) -> Finding {
        do throws(TLSError) {
            let (until, hasExpired) = try identity.validity
            return Finding(
                hasExpired ? .wrong : .well, name,
                hasExpired ? "expired on \(until); get another one" : "is good until \(until)")
        } catch { return Finding(.wrong, name, "\(error)") }
    }
}

/// One line of the answer.
struct Finding: CustomStringConvertible, Sendable {
    enum State: String { case well = "ok", doubtful = "warn", wrong = "FAIL" }
    let state: State
    let what: String
    let words: String

    init(_ state: State, _ what: String, _ words: String) { (self.state, self.what, self.words) = (state, what, words) }

    var description: String {
        "\(state.rawValue)\(String(repeating: " ", count: 6 - state.rawValue.count))\(what): \(words)"
    }
}
