import OmniwayWire
import Testing

@Suite struct PomeloServingTests {
    private enum Step { case packet(PomeloPacket.Kind), accept }

    /// Holds one where `#expect` can ask it: it cannot be copied.
    private final class Server {
        private var serving = PomeloServing()
        var phase: PomeloServing.Phase { serving.phase }
        func receive(_ packet: PomeloPacket.Kind) -> PomeloServing.Action { serving.receive(packet) }
        func accept() -> Bool { serving.accept() }
        func refuse() -> Bool { serving.refuse() }
        func deadlinePassed() -> PomeloServing.Action { serving.deadlinePassed() }
        func close() { serving.close() }
    }

    /// How to get there.
    private static let ways: [(PomeloServing.Phase, [Step])] = [
        (.start, []), (.deciding, [.packet(.handshake)]), (.greeted, [.packet(.handshake), .accept]),
        (.working, [.packet(.handshake), .accept, .packet(.handshakeAck)]), (.closed, [.packet(.data)]),
    ]

    private func server(in phase: PomeloServing.Phase) throws -> Server {
        let server = Server()
        for step in try #require(Self.ways.first { $0.0 == phase }).1 {
            switch step {
            case .packet(let kind): _ = server.receive(kind)
            case .accept: _ = server.accept()
            }
        }
        #expect(server.phase == phase)
        return server
    }

    private func outOfTurn(_ kind: PomeloPacket.Kind, _ phase: PomeloServing.Phase) -> PomeloServing.Action {
        .close(.outOfTurn(kind, when: phase.rawValue))
    }

    @Test func `every packet in every phase has its answer`() throws {
        let table: [(PomeloServing.Phase, PomeloPacket.Kind, PomeloServing.Action, PomeloServing.Phase)] = [
            (.start, .handshake, .decide, .deciding),
            (.start, .handshakeAck, outOfTurn(.handshakeAck, .start), .closed),
            (.start, .heartbeat, .ignore, .start), (.start, .data, outOfTurn(.data, .start), .closed),
            (.start, .kick, .ignore, .start),

            (.deciding, .handshake, outOfTurn(.handshake, .deciding), .closed),
            (.deciding, .handshakeAck, outOfTurn(.handshakeAck, .deciding), .closed),
            (.deciding, .heartbeat, .ignore, .deciding), (.deciding, .data, outOfTurn(.data, .deciding), .closed),
            (.deciding, .kick, .ignore, .deciding),

            (.greeted, .handshake, .decide, .deciding), (.greeted, .handshakeAck, .begin, .working),
            (.greeted, .heartbeat, .ignore, .greeted), (.greeted, .data, outOfTurn(.data, .greeted), .closed),
            (.greeted, .kick, .ignore, .greeted),

            (.working, .handshake, .decide, .deciding), (.working, .handshakeAck, .ignore, .working),
            (.working, .heartbeat, .ignore, .working), (.working, .data, .deliver, .working),
            (.working, .kick, .ignore, .working),
        ]
        #expect(table.count == 4 * PomeloPacket.Kind.allCases.count)
        for (phase, packet, action, next) in table {
            let server = try server(in: phase)
            #expect(server.receive(packet) == action, "\(packet) in \(phase)")
            #expect(server.phase == next, "\(packet) in \(phase)")
        }
        for packet in PomeloPacket.Kind.allCases {
            let server = try server(in: .closed)
            #expect(server.receive(packet) == .ignore)
        }
    }

    @Test func `a refused client is closed, and a decision counts once`() throws {
        let refused = try server(in: .deciding)
        let refuseed3079 = refused.refuse()
        #expect(refuseed3079)
        #expect(refused.phase == .closed)
        let accepted3155 = refused.accept()
        #expect(!accepted3155)
        for phase in [PomeloServing.Phase.start, .greeted, .working, .closed] {
            let server = try server(in: phase)
            let accepted3319 = server.accept()
            #expect(!accepted3319)
            let refuseed3358 = server.refuse()
            #expect(!refuseed3358)
            #expect(server.phase == phase)
        }
    }

    @Test func `who closes while a handshake is being looked at gets no answer`() throws {
        let server = try server(in: .deciding)
        server.close()
        let accepted3622 = server.accept()
        #expect(!accepted3622)
    }

    @Test func `a client that does not come to work in time is closed`() throws {
        for phase in [PomeloServing.Phase.start, .deciding, .greeted] {
            let server = try server(in: phase)
            #expect(server.deadlinePassed() == .close(.handshakeTooSlow))
            #expect(server.phase == .closed)
        }
        for phase in [PomeloServing.Phase.working, .closed] {
            let server = try server(in: phase)
            #expect(server.deadlinePassed() == .ignore)
            #expect(server.phase == phase)
        }
    }
}

@Suite struct PomeloJoiningTests {
    private final class Client {
        private var joining = PomeloJoining()
        var phase: PomeloJoining.Phase { joining.phase }
        func receive(_ packet: PomeloPacket.Kind) -> PomeloJoining.Action { joining.receive(packet) }
        func answered(code: Int) -> PomeloJoining.Action { joining.answered(code: code) }
        func deadlinePassed() -> PomeloJoining.Action { joining.deadlinePassed() }
        func close() { joining.close() }
    }

    private func client(in phase: PomeloJoining.Phase) -> Client {
        let client = Client()
        switch phase {
        case .start: break
        case .working: #expect(client.answered(code: 200) == .acknowledge)
        case .closed: client.close()
        }
        return client
    }

    @Test func `every packet in every phase has its answer`() {
        let early = PomeloJoining.Phase.start.rawValue
        let late = PomeloJoining.Phase.working.rawValue
        let table: [(PomeloJoining.Phase, PomeloPacket.Kind, PomeloJoining.Action, PomeloJoining.Phase)] = [
            (.start, .handshake, .readAnswer, .start),
            (.start, .handshakeAck, .close(.outOfTurn(.handshakeAck, when: early)), .closed),
            (.start, .heartbeat, .ignore, .start), (.start, .data, .close(.outOfTurn(.data, when: early)), .closed),
            (.start, .kick, .leave, .closed),

            (.working, .handshake, .close(.outOfTurn(.handshake, when: late)), .closed),
            (.working, .handshakeAck, .close(.outOfTurn(.handshakeAck, when: late)), .closed),
            (.working, .heartbeat, .ignore, .working), (.working, .data, .deliver, .working),
            (.working, .kick, .leave, .closed),
        ]
        for (phase, packet, action, next) in table {
            let client = client(in: phase)
            #expect(client.receive(packet) == action, "\(packet) in \(phase)")
            #expect(client.phase == next, "\(packet) in \(phase)")
        }
        for packet in PomeloPacket.Kind.allCases {
            let client = client(in: .closed)
            #expect(client.receive(packet) == .ignore)
        }
    }

    @Test(arguments: [400, 0, 500]) func `any code but 200 refuses`(_ code: Int) {
        let client = client(in: .start)
        #expect(client.answered(code: code) == .close(.handshakeRefused(code: code)))
        #expect(client.phase == .closed)
        #expect(client.answered(code: 200) == .ignore)
    }

    @Test func `a server that does not answer in time is left`() {
        let waiting = client(in: .start)
        #expect(waiting.deadlinePassed() == .close(.handshakeTooSlow))
        let working = client(in: .working)
        #expect(working.deadlinePassed() == .ignore)
        #expect(working.phase == .working)
    }
}
