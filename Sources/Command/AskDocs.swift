import Omniway
import OmniwayArguments
import OmniwayMain

/// `omniway docs`: which routes a running app server has.
enum AskDocs {
    private static let address = Argument(
        "address", .string, help: "The server: host:port, or wss://, ws://, tls:// or tcp:// before it.")
    private static let route = Flag(
        "route", .string, default: "docs.docs", help: "Where the server answers with its documentation.")
    private static let json = Flag("json", .boolean, default: false, help: "Print the answer as it is, as JSON.")

    static let command = Command(
        "docs", summary: "Asks a running app server which routes it has.",
        notes: "The server has to offer it: app.addDocumentation(route: \"docs.docs\").",
        flags: [route, json] + ServerAccess.flags, arguments: [address])

    static func run(_ call: Invocation) -> ExitCode {
        let signals = ProcessSignals()
        let (access, target): (ServerAccess, ServerTarget)
        do throws(ReplMistake) {
            (access, target) = (try ServerAccess(call), try ServerTarget(call[address]))
        } catch {
            complain("omniway docs: \(error)")
            return .usage
        }
        Task.detached { await ask(call, access, target) }
        while true {
            switch signals.next() {
            case .command: break
            case .drain, .end, .hangUp: return .runtime
            }
        }
    }

    @concurrent private static func ask(_ call: Invocation, _ access: ServerAccess, _ target: ServerTarget) async {
        do {
            let client = try await client(access, target)
            let docs = try await RouteDocumentation.ask(client, at: call[route])
            print(call[json] ? BodyText(isPretty: true).text(of: docs.json) : docs.text)
            client.disconnect()
            leave(with: .success)
        } catch {
            complain("omniway docs: \(BodyText.harmless("\(error)"))")
            leave(with: .runtime)
        }
    }

    @concurrent private static func client(_ access: ServerAccess, _ target: ServerTarget) async throws -> AppClient {
        let loop = EventLoop()
        do {
            return try await access.client(of: target, on: loop, saying: .repl).client
        } catch AppClientError.serializer(server: "protobuf", client: _) {
            return try await access.client(of: target, on: loop, saying: .repl, ProtobufSerializer()).client
        }
    }
}
