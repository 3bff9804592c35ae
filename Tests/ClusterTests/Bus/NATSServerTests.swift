import ClusterSupport
import Glibc
import OmniwayCluster
import OmniwayTelemetry
import OmniwayTesting
import OmniwayTransport
import OmniwayWire
import Testing

/// Against the real server: logins, TLS, and what happens to it.
@Suite(.timeLimit(.minutes(2))) struct NATSServerTests {
    /// Asks itself something through a server, which proves that both directions work.
    private func echoes(_ settings: NATSSettings) async throws -> Bool {
        let bus = try NATSBus(settings)
        var isRight = false
        try await BusWorld.run(bus, loops: 1) { world in
            _ = try await world.listen("echo", on: world.first) { try? $0.respond($0.payload) }
            isRight = try await world.ask("echo", "hello", on: world.first) == "hello"
        }
        return isRight
    }

    /// Why a server does not let somebody in.
    private func refusal(_ settings: NATSSettings) async throws -> String {
        let bus = try NATSBus(settings)
        let loop = EventLoop()
        var words = ""
        do throws(BusError) { try await bus.ready(within: .milliseconds(500), on: [loop]) } catch {
            words = error.description
        }
        await loop.shutdown()
        return words
    }

    // MARK: Logins

    @Test func `a user is known by a password, in the address or beside it`() async throws {
        let server = try await NATSProgram("authorization { user: \"u\", password: \"p:@w\" }")
        var settings = try NATSSettings(server.address)
        #expect(try await refusal(settings).contains("Authorization Violation"))
        settings.credentials = .password(user: "u", Secret("p:@w"))
        #expect(try await echoes(settings))
        #expect(try await echoes(NATSSettings("nats://u:p:@w@127.0.0.1:\(server.port)")))
        #expect(try await refusal(NATSSettings("nats://u:x@127.0.0.1:\(server.port)")).contains("Violation"))
        await server.stop()
    }

    @Test func `a token lets in`() async throws {
        let server = try await NATSProgram("authorization { token: \"secret\" }")
        var settings = try NATSSettings(server.address)
        settings.credentials = .token(Secret("secret"))
        #expect(try await echoes(settings))
        #expect(try await echoes(NATSSettings("nats://secret@127.0.0.1:\(server.port)")))
        #expect(try await refusal(NATSSettings("nats://other@127.0.0.1:\(server.port)")).contains("Violation"))
        await server.stop()
    }

    @Test func `an nkey signs what the server asks`() async throws {
        let seed = NATSKey.seedText((0..<32).map { UInt8($0 * 7) })
        let server = try await NATSProgram(
            "authorization { users: [ { nkey: \(try NATSKey(seed: seed).publicText) } ] }")
        var settings = try NATSSettings(server.address)
        settings.credentials = .key(seed: Secret(seed))
        #expect(try await echoes(settings))
        settings.credentials = .key(seed: Secret(NATSKey.seedText([UInt8](repeating: 1, count: 32))))
        #expect(try await refusal(settings).contains("Violation"))
        settings.credentials = .key(seed: Secret("SUx"))
        #expect(throws: BusError.self) { try NATSBus(settings) }
        await server.stop()
    }

    @Test func `a credentials file lets in whom its operator and account vouch for`() async throws {
        let operation = try NATSOperation(seed: 3)
        let server = try await NATSProgram(operation.configuration)
        let folder = try TemporaryFolder()
        try folder.write("user.creds", operation.credentials)
        var settings = try NATSSettings(server.address)
        settings.credentials = try .file(folder.file("user.creds"))
        #expect(try await echoes(settings))
        let other = try NATSOperation(seed: 9)
        try folder.write("user.creds", other.credentials)
        settings.credentials = try .file(folder.file("user.creds"))
        #expect(try await refusal(settings).contains("Violation"))
        #expect(throws: BusError.self) { try NATSCredentials.file(folder.file("none.creds")) }
        try folder.write("user.creds", "no credentials")
        #expect(throws: BusError.self) { try NATSCredentials.file(folder.file("user.creds")) }
        await server.stop()
    }

    @Test func `a subject without permission is counted, and the rest goes on`() async throws {
        let server = try await NATSProgram(
            """
            authorization { users: [ { user: u, password: p,
                permissions: { publish: ["ok", "_INBOX.>"], subscribe: ["ok", "_INBOX.>"] } } ] }
            """)
        var settings = try NATSSettings(server.address)
        settings.credentials = .password(user: "u", Secret("p"))
        try await BusWorld.run(try NATSBus(settings), loops: 1) { world in
            _ = try await world.listen("forbidden", on: world.first) { _ in }
            try await world.publish("also-forbidden", "x", on: world.first)
            _ = try await world.listen("ok", on: world.first) { try? $0.respond($0.payload) }
            #expect(try await world.ask("ok", "y", on: world.first) == "y")
            #expect(await world.count("omniway_bus_refusals_total", on: world.first) == 2)
        }
        await server.stop()
    }

    // MARK: TLS

    @Test func `TLS begins behind the greeting, for those who trust and are trusted`() async throws {
        let identity = try TLSIdentity.selfSigned("127.0.0.1", "localhost")
        let client = try TLSIdentity.selfSigned("client")
        let files = [
            "server.pem": try identity.certificatePEM, "server.key": try identity.keyPEM,
            "client.pem": try client.certificatePEM,
        ]
        let server = try await NATSProgram(
            """
            tls { cert_file: "FOLDER/server.pem", key_file: "FOLDER/server.key", ca_file: "FOLDER/client.pem",
                verify: true }
            """, files: files)
        let trust = TLSTrust.roots(pem: try identity.certificatePEM)
        var settings = try NATSSettings("tls://127.0.0.1:\(server.port)")
        settings.tls = NATSTLS(trust: trust, identity: client)
        #expect(try await echoes(settings))
        var byName = try NATSSettings("tls://localhost:\(server.port)")
        byName.tls = settings.tls
        #expect(try await echoes(byName))
        settings.tls = NATSTLS(trust: .system, identity: client)
        #expect(try await refusal(settings).contains("certificate-refused"))
        settings.tls = NATSTLS(trust: trust)
        #expect(try await !refusal(settings).isEmpty)
        #expect(try await refusal(NATSSettings(server.address)).contains("tls://"))
        await server.stop()
    }

    // MARK: What happens to a server

    @Test func `a server that is killed and started again is found again, without a new start here`() async throws {
        let server = try await NATSProgram()
        try await BusWorld.run(try NATSBus(try NATSSettings(server.address))) { world in
            let states = Heard()
            let bus = world.bus
            await world.first.run { loop in _ = bus.port(on: loop).whenStateChanges { states.add("\($0)") } }
            let heard = try await world.hear("s", on: world.second)
            try await world.publish("s", "1", on: world.first)
            _ = await heard.wait(for: 1)
            _ = try await world.listen("slow", on: world.second) { _ in heard.add("asked") }
            async let lost = world.failure(of: "slow", on: world.first)
            _ = await heard.wait(for: 2)
            await server.stop(SIGKILL)
            guard case .connectionLost = await lost else {
                Issue.record("the request did not fail")
                return
            }
            _ = await states.wait(for: 1)
            guard case .away = await world.failure(of: "s", on: world.first) else {
                Issue.record("not away")
                return
            }
            let again = try await server.again()
            try await bus.ready(within: .seconds(30), on: world.loops.loops)
            try await world.publish("s", "2", on: world.first)
            #expect(await heard.wait(for: 3).last == "2")
            await again.stop()
        }
    }

    @Test func `a server that stands still is given up, and taken back when it goes on`() async throws {
        let server = try await NATSProgram()
        var settings = try NATSSettings(server.address)
        settings.pingInterval = .milliseconds(100)
        settings.connectTimeout = .milliseconds(300)
        try await BusWorld.run(try NATSBus(settings), loops: 1) { world in
            let states = Heard()
            let bus = world.bus
            _ = try await world.listen("echo", on: world.first) { try? $0.respond($0.payload) }
            await world.first.run { loop in _ = bus.port(on: loop).whenStateChanges { states.add("\($0)") } }
            server.pause()
            let failure = await world.failure(of: "echo", on: world.first)
            #expect(failure?.code == "bus-lost")
            #expect(states.texts.first?.contains("pings were not answered") == true)
            server.resume()
            try await bus.ready(within: .seconds(30), on: [world.first])
            #expect(try await world.ask("echo", "x", on: world.first) == "x")
        }
        await server.stop()
    }

    @Test func `a lame duck is left for its neighbour while requests go on`() async throws {
        let (one, two) = (try TestProgram.freePort(), try TestProgram.freePort())
        func cluster(_ own: UInt16, _ other: UInt16) -> String {
            """
            lame_duck_duration: "30s", lame_duck_grace_period: "10s"
            cluster { name: c, listen: "127.0.0.1:\(own)", routes: ["nats://127.0.0.1:\(other)"] }
            """
        }
        let first = try await NATSProgram(cluster(one, two))
        let second = try await NATSProgram(cluster(two, one))
        _ = await first.program.wait { $0.contains("Route connection created") || $0.contains("rid:") }
        var settings = try NATSSettings(first.address, second.address)
        settings.leaveLimit = .milliseconds(300)
        // Both loops begin at the first one, whatever their order of trying.
        settings.servers = Array(settings.servers.prefix(1))
        try await BusWorld.run(try NATSBus(settings)) { world in
            _ = try await world.listen("echo", on: world.second) { message in
                guard let reply = message.reply else { return }
                let body = message.body
                reply.port.loop.after(.milliseconds(5), Later { try? reply.send(body) })
            }
            async let answers = asks(300, of: world)
            first.signal(SIGUSR2)
            #expect(try await answers == 300)
            // Both loops have gone over.
            #expect(await world.count("omniway_bus_connections_total", on: world.first) == 2)
            #expect(await world.count("omniway_bus_connections_total", on: world.second) == 2)
            #expect(await world.count("omniway_bus_losses_total", on: world.first) == 0)
        }
        await first.stop(SIGKILL)
        await second.stop()
    }

    private func asks(_ count: Int, of world: BusWorld) async throws -> Int {
        var answered = 0
        for number in 0..<count where try await world.ask("echo", "\(number)", on: world.first) == "\(number)" {
            answered += 1
        }
        return answered
    }

    @Test func `a consumer that is too slow for the server loses its connection, and comes back`() async throws {
        let server = try await NATSProgram("max_pending: 1MB, write_deadline: \"200ms\"")
        try await BusWorld.run(try NATSBus(try NATSSettings(server.address))) { world in
            let bus = world.bus
            let states = Heard()
            let heard = try await world.hear("flood", on: world.second)
            await world.second.run { loop in
                bus.port(on: loop).whenStateChanges { states.add("\($0)") }
                loop.forEachLink { $0.pauseReading() }
            }
            let body = [UInt8](repeating: 0x78, count: 64 << 10)
            for _ in 0..<400 {
                try await bus.publish("flood", body, on: world.first)
                try await world.flush(world.first)
            }
            await world.second.run { loop in loop.forEachLink { $0.resumeReading() } }
            _ = await states.wait(for: 1)
            try await bus.ready(within: .seconds(30), on: [world.second])
            try await world.publish("flood", "after", on: world.first)
            let texts = await heard.wait { $0.last == "after" }
            #expect(texts.count < 401, "what the server could not deliver is lost")
        }
        await server.stop()
    }
}

/// An operator, an account and a user, who vouch for each other as `nsc` makes them.
private struct NATSOperation {
    let configuration: String
    let credentials: String

    init(seed: UInt8) throws {
        func key(_ number: UInt8, kind: NATSKey.Kind) throws -> (key: NATSKey, seed: String) {
            let text = NATSKey.seedText([UInt8](repeating: seed &+ number, count: 32), kind: kind)
            return (try NATSKey(seed: text), text)
        }
        let (operatorKey, account, user) = (
            try key(0, kind: .operator), try key(1, kind: .account), try key(2, kind: .user)
        )
        func certificate(of subject: NATSKey, by issuer: NATSKey, _ kind: String, _ rest: String = "") -> String {
            let head = Self.digits("{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}")
            let claims = """
                {"jti":"x","iat":1700000000,"iss":"\(issuer.publicText)","name":"\(kind)",\
                "sub":"\(subject.publicText)",\
                "nats":{\(rest)"type":"\(kind)","version":2}}
                """
            let text = head + "." + Self.digits(claims)
            return text + "." + issuer.sign(text)
        }
        let limits = """
            "limits":{"subs":-1,"data":-1,"payload":-1,"imports":-1,"exports":-1,"wildcards":true,"conn":-1,"leaf":-1},
            """.replacing("\n", with: "")
        let operatorText = certificate(of: operatorKey.key, by: operatorKey.key, "operator")
        let accountText = certificate(of: account.key, by: operatorKey.key, "account", limits)
        let userText = certificate(
            of: user.key, by: account.key, "user", "\"pub\":{},\"sub\":{},\"subs\":-1,\"data\":-1,\"payload\":-1,")
        configuration = """
            operator: \(operatorText)
            resolver: MEMORY
            resolver_preload: { \(account.key.publicText): \(accountText) }
            """
        credentials = """
            -----BEGIN NATS USER JWT-----
            \(userText)
            ------END NATS USER JWT------

            -----BEGIN USER NKEY SEED-----
            \(user.seed)
            ------END USER NKEY SEED------

            """
    }

    private static func digits(_ text: String) -> String {
        Base64.encode(Array(text.utf8)).replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}
