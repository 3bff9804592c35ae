import Glibc
import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway load`: asks a server as much as it can answer, or as often as it is told to, and says how that went.
enum Load {
    private static let kind = Argument<LoadPlan.Kind>(
        "kind", .choice, help: "What is loaded: echo, udp, gateway or app.")
    private static let address = Argument(
        "address", .string,
        help:
            "Where: host:port, unix:path, or a URL that begins with tcp, udp, tls, ws or wss. An app without is by tcp."
    )
    private static let connections = Flag(
        "connections", .integer(1...1_000_000), default: 10, placeholder: "count", help: "Connections at once, in all.")
    private static let inFlight = Flag(
        "in-flight", .integer(1...65_536), default: 1, placeholder: "count",
        help: "Messages of one connection that wait for their answer. With --rate, at most so many: 1024 unless given.")
    private static let rate = Flag(
        "rate", .integer(0...100_000_000), default: 0, placeholder: "per-second",
        help: "Messages in a second, in all, whether or not those before are answered. 0 sends as answers come.")
    private static let size = Flag("size", .size, default: 64, help: "Bytes of a message: 8 to 1M.")
    private static let duration = Flag("duration", .duration, default: .seconds(10), help: "How long it is measured.")
    private static let warmUp = Flag(
        "warm-up", .duration, default: .seconds(1), help: "How long it is done before that, and not measured.")
    private static let renew = Flag(
        "renew", .integer(0...Int.max), default: 0, placeholder: "count",
        help: "A connection with so many answers gives way to a new one; 0 for never.")
    private static let loops = Flag(
        "loops", .integer(1...255), default: 1, placeholder: "count", help: "Event loops, each with a thread.")
    private static let snet = Flag(
        "snet", .boolean, default: false, help: "Connections are streams of snet, which outlive what they go over.")
    private static let dialect = Flag("dialect", .choice, default: Dialect.v2, help: "Of the gateway's clients.")
    private static let server = Flag(
        "server", .integer(0...Int(UInt32.max)), default: 1, placeholder: "number",
        help: "Behind a gateway, the server to dial. It sends back what it gets.")
    private static let serve = Flag(
        "serve-at", .string, default: "", placeholder: "address",
        help: "Be that server too: the address for servers of the gateway.")
    private static let keyFile = Flag(
        "server-auth-key-file", .string, default: "", placeholder: "path",
        help: "A file with the key that a server must know on its first line.")
    private static let route = Flag(
        "route", .string, default: "", placeholder: "route", help: "Of an app, the route to ask, such as room.echo.")
    private static let body = Flag(
        "body", .string, default: "", placeholder: "text",
        help: "What an app is asked; by default a JSON text of --size bytes.")
    private static let json = Flag("json", .boolean, default: false, help: "Print the result as JSON.")
    private enum Dialect: String, CaseIterable { case v1, v2 }

    static let command = Command(
        "load", summary: "Loads a server, and says how many messages it answered and how fast.",
        notes: """
            What is loaded is echo, anything that sends back what it gets, also behind a port of a tunnel; udp, the \
            same with datagrams, of which one without an answer within --timeout (1s unless given) is lost; gateway, \
            whose server echoes; or app, which answers at a route. With --rate a message counts from when it was due, \
            also when it had to wait for those before it. Ends with 1 if anything failed.
            """,
        flags: [
            connections, inFlight, rate, size, duration, warmUp, renew, loops, snet, dialect, server, serve, keyFile,
            route, body, json,
        ] + ServerAccess.flags, arguments: [kind, address])

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        let plan: LoadPlan
        do { plan = try self.plan(call) } catch {
            complain("omniway load: \(error)")
            return .usage
        }
        let writesJSON = call[json]
        Task.detached {
            Log.shared.level = .error  // The report says what went wrong.
            do {
                let report = try await LoadRun(plan).result()
                print(writesJSON ? report.jsonText : report.text)
                leave(with: report.isGood ? .success : .runtime)
            } catch {
                complain("omniway load: \(BodyText.harmless("\(error)"))")
                leave(with: .runtime)
            }
        }
        while true {
            switch signals.next() {
            case .command: break
            case .drain, .end, .hangUp: return .runtime
            }
        }
    }

    private static func plan(_ call: Invocation) throws -> LoadPlan {
        let access = try ServerAccess(call)
        var plan = LoadPlan(kind: call[kind], place: call[address], dialer: try dialer(access, call))
        plan.connections = call[connections]
        plan.rate = Double(call[rate])
        plan.inFlight = plan.rate > 0 && !call.given(inFlight) ? 1024 : call[inFlight]
        guard 8...1 << 20 ~= call[size] else { throw LoadMistake("--size goes from 8 to 1M") }
        guard plan.kind != .udp || call[size] <= mostDatagram else {
            throw LoadMistake("a datagram has at most \(mostDatagram) bytes; write a smaller --size")
        }
        guard call[duration] > .zero else { throw LoadMistake("--duration is above zero") }
        plan.size = call[size]
        (plan.duration, plan.warmUp, plan.patience) = (call[duration], call[warmUp], access.timeout)
        if plan.kind == .udp, !call.given(ServerAccess.timeout) { plan.patience = .seconds(1) }
        (plan.renew, plan.loops) = (call[renew], call[loops])
        plan.server = EndpointID(rawValue: UInt32(call[server]))
        plan.dialect = call[dialect] == .v1 ? .v1 : .v2
        if !call[serve].isEmpty {
            let key = try TunnelNodeFlags.secret(call[keyFile], "--server-auth-key-file")
            plan.serving = (try dialer(try ServerTarget(call[serve]), access), key)
        }
        plan.route = call[route]
        guard plan.kind != .app || !plan.route.isEmpty else {
            throw LoadMistake("an app is asked at a route; say which by --route")
        }
        let text = call[body].isEmpty ? "\"\(String(repeating: "x", count: plan.size - 2))\"" : call[body]
        plan.body = Array(text.utf8)
        return plan
    }

    private static func dialer(_ target: ServerTarget, _ access: ServerAccess) throws -> any Dialer {
        // Without a scheme there is nothing to be found out: what is loaded is known.
        let scheme = target.schemes.count == 1 ? target.schemes[0] : .tcp
        return try target.dialer(scheme, trust: access.trust(of: target), mostPacketBytes: 4 << 20)
    }

    private static func dialer(_ access: ServerAccess, _ call: Invocation) throws -> any Dialer {
        if call[kind] == .udp { return try datagramDialer(call) }
        let dialer = try dialer(try ServerTarget(call[address]), access)
        return call[snet] ? SnetClient().over(dialer) : dialer
    }

    private static let mostDatagram = 65_507

    private static func datagramDialer(_ call: Invocation) throws -> any Dialer {
        let text = call[address]
        let place = text.hasPrefix("udp://") ? String(text.dropFirst(6)) : text
        guard let host = HostPort(place), !host.host.isEmpty else {
            throw LoadMistake("\(text) is no address of UDP; write host:port, or udp:// before it")
        }
        if call[snet] { throw LoadMistake("--snet makes streams, and a load of UDP has none; leave it out") }
        return DatagramDialer(host)
    }
}

struct LoadMistake: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
