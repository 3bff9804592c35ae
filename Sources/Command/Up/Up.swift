import FoundationEssentials
import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain
import RoomApp

/// `omniway up`: a whole node, until a signal ends it.
enum Up {
    static let file = Flag(
        "config", .string, default: "", placeholder: "path",
        help: "A file of JSON5 with the settings; `omniway check --sample` writes one with all of them.")
    static let words = Flag(
        "set", .strings, default: [], placeholder: "section.key=value",
        help: "One setting of that file, which counts more than the file. May be repeated.")
    /// What tells the settings, here and to `omniway check`.
    static let flags: [any AnyFlag] = [file, words] + UpSettings.process + LogFlags.all

    static let command = Command(
        "up", summary: "Starts a whole node: gateway, room, tunnel and mesh.",
        notes: """
            Variables such as OMNIWAY_LOG_LEVEL count more than the file, and flags most. SIGHUP opens the log again,
            reads the file again and says what has changed. SIGTERM or Ctrl-C lets what is under way come to its end and
            ends it; a second one ends it at once.
            """,
        flags: flags)

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        let environment = ProcessInfo.processInfo.environment
        let (settings, plan): (Settings, UpPlan)
        do {
            let unknown: [String]
            (settings, unknown) = try read(call, environment)
            guard LogFlags.configure(settings["log"], of: "omniway up") else { return .configuration }
            for name in unknown { Log.shared.warning("a variable sets nothing", ["name": name]) }
            plan = try UpPlan(settings, environment: environment)
        } catch {
            complain("omniway up: \(error)")
            return .configuration
        }
        let current = Lock(settings)
        let program = NodeProgram(
            name: "omniway up", signals: signals, door: plan.folder.file("up.sock"),
            hangUp: { reload(call, environment, current) })
        program.run(plan.process) { node in
            await node.allow(plan.adminKeys)
            try await start(plan, on: node)
            return { _ in await announce(node) }
        }
    }

    static func read(
        _ call: Invocation, _ environment: [String: String]
    ) throws -> (settings: Settings, unknown: [String]) {
        try UpPlan.settings(call, file: call[file], words: call[words], environment: environment)
    }

    static func start(_ plan: UpPlan, on node: Node) async throws {
        var gateway: GatewayPart?
        if plan.parts.contains(.gateway) {
            gateway = try await node.start { try await GatewayPart(plan.gateway, on: $0) }
        }
        if plan.parts.contains(.room) { try await startRoom(plan, behind: gateway, on: node) }
        if plan.parts.contains(.tunnel) {
            let part = try await node.start { try await TunnelPart(plan.tunnel, on: $0) }
            await part.ready()
        }
        if plan.parts.contains(.mesh) { _ = try await node.start { try await MeshPart(plan.mesh, on: $0) } }
        if plan.parts.contains(.echo) { _ = try await node.start { try await EchoPart(plan.echo, on: $0) } }
    }

    /// It has a port for browsers, and beside it is behind the gateway, where it has none.
    private static func startRoom(_ plan: UpPlan, behind gateway: GatewayPart?, on node: Node) async throws {
        let app = try roomApp()
        app.listen(.webSocket("\(plan.room.listen)"))
        if let gateway {
            // Not by a port, at which another process may accept that gives its place to this one.
            let way = InProcess()
            try await gateway.gateway.listen(for: .server, on: way)
            let key = plan.gateway.gateway.keys[0].revealed
            app.listen(.gateway(over: way, .server(plan.room.server, key: key)))
        }
        _ = try await node.start { try await AppPart(app, on: $0) }
        _ = try await node.start { try await HTTPPart("room page", at: plan.room.page, on: $0) { roomPages(on: $0) } }
    }

    // MARK: Words for people

    private static func announce(_ node: Node) async {
        print("omniway \(Version.current), \(node.loops.loops.count) loops")
        let ports = await node.ports
        let width = ports.map(\.name.count).max() ?? 0
        for port in ports {
            print("  \(port.name)\(String(repeating: " ", count: width - port.name.count))  \(port.address)")
        }
        var hints = hints(ports)
        if let link = await node.loginLink() {
            hints.insert("open \(link), the dashboard; the link is good once", at: 0)
        }
        if !hints.isEmpty { print("Try:") }
        for hint in hints { print("  \(hint)") }
        print("Ctrl-C ends it.")
        fflush(nil)
        Log.shared.info("node up", ["version": Version.current, "loops": "\(node.loops.loops.count)"])
    }

    /// One thing to try with each part.
    private static func hints(_ ports: [Node.Port]) -> [String] {
        var hints: [String] = []
        func port(_ name: String) -> String? { ports.first { $0.name.hasPrefix(name) }?.address }
        if let page = port("room page"), let room = port("app room") {
            hints.append("open \(page)/?app=ws://\(room) in two windows, and chat")
        }
        if let node = port("tunnel") { hints.append("omniway expose tcp 22 --node \(node)") }
        if let peer = port("mesh") { hints.append("omniway peer --join \(peer)") }
        if let echo = port("echo")?.split(separator: ":"), echo.count == 2 {
            hints.append("echo hello | nc -N \(echo[0]) \(echo[1])")
        }
        return hints
    }

    // MARK: While it runs

    /// Reads the file again. What can change while the node runs changes; what else is new is said.
    private static func reload(_ call: Invocation, _ environment: [String: String], _ current: Lock<Settings>) {
        let settings: Settings
        do {
            settings = try read(call, environment).settings
            _ = try UpPlan(settings, environment: environment)
        } catch {
            return Log.shared.error("settings are not changed", ["error": "\(error)"])
        }
        let changes = current.withLock { $0.changes(to: settings) }
        for change in changes {
            let words = UpSettings.isSecret(change.path) ? change.path : "\(change)"
            if UpSettings.live.contains(change.path) {
                Log.shared.notice("setting changed", ["setting": words])
            } else {
                Log.shared.warning("setting needs a restart", ["setting": words])
            }
        }
        LogFlags.configureLevel(settings["log"])
        current.withLock { $0 = settings }
    }
}
