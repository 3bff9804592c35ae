import OmniwayTesting
import OmniwayWire
import Testing

@Suite struct EndpointDialogueTests {
    private func dialogue(_ dialect: GatewayDialect, dials: Int = 8, connections: Int = 8) -> EndpointDialogue {
        EndpointDialogue(dialect, mostDials: dials, mostConnections: connections)
    }

    @Test func `answers find the first dial to their endpoint`() {
        var dialogue = dialogue(.v2)
        for (tag, remote) in [(1, 7), (2, 9), (3, 7)] as [(Int, EndpointID)] {
            #expect(dialogue.dial(remote, for: tag) == .dial(remote, as: 0))
        }
        #expect(dialogue.receive(.accept(20, 9)) == .open(2, 20))
        #expect(dialogue.receive(.refuse(7, as: 0)) == .refuse(1))
        #expect(dialogue.receive(.accept(21, 7)) == .open(3, 21))
        #expect(dialogue.tag(of: 21) == 3 && dialogue.tag(of: 20) == 2 && dialogue.tag(of: 1) == nil)
    }

    @Test func `v1 asks for ids first, several at a time`() {
        var dialogue = dialogue(.v1)
        #expect(dialogue.dial(7, for: 1) == .new)
        #expect(dialogue.dial(9, for: 2) == .new)
        #expect(dialogue.receive(.open(5)) == .send(.dial(7, as: 5)))
        #expect(dialogue.receive(.open(6)) == .send(.dial(9, as: 6)))
        #expect(dialogue.receive(.refuse(0, as: 5)) == .refuse(1))
        #expect(dialogue.receive(.accept(6, 9)) == .open(2, 6))
    }

    @Test func `v1 tells being dialled from being answered by the id`() {
        var dialogue = dialogue(.v1)
        _ = dialogue.dial(7, for: 1)
        _ = dialogue.receive(.open(5))
        #expect(dialogue.receive(.accept(4, 7)) == .accept(4, 7))
        #expect(dialogue.receive(.accept(5, 7)) == .open(1, 5))
    }

    @Test(arguments: GatewayDialect.allCases)
    func `an answer for which nobody waits any more is closed`(_ dialect: GatewayDialect) {
        var dialogue = dialogue(dialect)
        _ = dialogue.dial(7, for: 1)
        _ = dialogue.dial(7, for: 2)
        if dialect == .v1 {
            _ = dialogue.receive(.open(5))
            _ = dialogue.receive(.open(6))
        }
        dialogue.giveUp(1)
        #expect(dialogue.receive(.accept(5, 7)) == .send(.close(5)))
        #expect(dialogue.receive(.accept(6, 7)) == .open(2, 6))
        #expect(dialogue.dialCount == 0)
    }

    @Test func `v1 does not dial for whom has given up before it had an id`() {
        var dialogue = dialogue(.v1)
        _ = dialogue.dial(7, for: 1)
        dialogue.giveUp(1)
        #expect(dialogue.receive(.open(5)) == .ignore)
    }

    @Test(arguments: GatewayDialect.allCases)
    func `close is answered with close once, and the stray one after it means nothing`(_ dialect: GatewayDialect) {
        var dialogue = dialogue(dialect)
        dialogue.keep(5, as: 1)
        #expect(dialogue.receive(.close(5)) == .end(1, answer: .close(5)))
        #expect(dialogue.receive(.close(5)) == .ignore)
        dialogue.keep(6, as: 2)
        #expect(dialogue.close(6) == .close(6))
        #expect(dialogue.receive(.close(6)) == .ignore)
        #expect(dialogue.close(6) == nil)
    }

    @Test func `who finishes still hears what was on its way`() {
        var dialogue = dialogue(.v2)
        dialogue.keep(5, as: 1)
        #expect(dialogue.finish(5) == .close(5))
        #expect(dialogue.finish(5) == nil)
        #expect(dialogue.tag(of: 5) == 1)
        #expect(dialogue.receive(.close(5)) == .end(1, answer: nil))
    }

    @Test func `what no gateway says is rejected`() {
        var v1 = dialogue(.v1)
        var v2 = dialogue(.v2)
        v2.keep(5, as: 1)
        #expect(v1.receive(.new) == .rejectGateway)
        #expect(v1.receive(.dial(7, as: 5)) == .rejectGateway)
        #expect(v1.receive(.open(5)) == .rejectGateway)
        #expect(v2.receive(.dial(7, as: 0)) == .rejectGateway)
        #expect(v2.receive(.connect(0, 7)) == .rejectGateway)
        #expect(v2.receive(.connect(5, 7)) == .rejectGateway)
        #expect(v2.receive(.accept(5, 7)) == .rejectGateway)
        #expect(v2.receive(.accept(6, 7)) == .send(.close(6)), "late, but a gateway's word")
        #expect(v2.receive(.refuse(7, as: 0)) == .ignore)
        #expect(v1.receive(.refuse(0, as: 9)) == .ignore)
    }

    @Test func `dials and connections have a limit`() {
        var dialogue = dialogue(.v2, dials: 1, connections: 1)
        #expect(dialogue.dial(7, for: 1) != nil)
        #expect(dialogue.dial(7, for: 2) == nil)
        #expect(dialogue.receive(.connect(3, 7)) == .accept(3, 7))
        dialogue.keep(3, as: 3)
        #expect(dialogue.receive(.connect(4, 7)) == .send(.close(4)))
    }

    @Test func `without a gateway all end in the order in which they began`() {
        var dialogue = dialogue(.v1)
        for tag in 1...3 { _ = dialogue.dial(7, for: tag) }
        for id in [9, 4] as [ConnectionID] { dialogue.keep(id, as: Int(id.rawValue)) }
        _ = dialogue.receive(.open(2))
        dialogue.giveUp(3)
        #expect(dialogue.endAll() == [4, 9, 1, 2])
        #expect(dialogue.connectionCount == 0 && dialogue.dialCount == 0)
    }

    // MARK: Reading

    private func data(_ id: UInt8, _ count: Int) -> [UInt8] {
        [UInt8(4 + count), 0, 0, 0, id, 0, 0, 0] + (0..<count).map { UInt8($0) }
    }

    @Test func `a long message comes in pieces, and no more than its patience is ever left`() throws {
        let bytes = data(3, 100) + data(4, 2)
        for size in 1...bytes.count {
            var reader = EndpointReader(GatewayCodec(.v2), patience: 16, hasLogin: false)
            var (waiting, rest, message): ([UInt8], ArraySlice<UInt8>, [UInt8]) = ([], bytes[...], [])
            var ended: [ConnectionID] = []
            while !rest.isEmpty {
                waiting += rest.prefix(size)
                rest = rest.dropFirst(size)
                let (events, used) = try reader.events(in: waiting)
                for case .piece(let id, let range, let ends) in events {
                    if id == 3 { message += waiting[range] }
                    if ends { ended.append(id) }
                }
                waiting.removeFirst(used)
                #expect(waiting.count <= reader.mostUnread)
            }
            #expect(message == (0..<100).map { UInt8($0) } && ended == [3, 4], "\(size) bytes at a time")
        }
    }

    @Test func `what follows a command's arguments is not waited for`() throws {
        var reader = EndpointReader(GatewayCodec(.v2), patience: 9, hasLogin: false)
        let close: [UInt8] = [200, 0, 0, 0, 0, 0, 0, 0, 4, 9, 0, 0, 0] + [UInt8](repeating: 7, count: 30)
        let (events, used) = try reader.events(in: close)
        #expect(events == [.command(.close(9))] && used == close.count)
        let (after, _) = try reader.events(in: [UInt8](repeating: 7, count: 200 - 39) + data(3, 1))
        #expect(after.count == 1)
    }

    @Test(arguments: 1...50) func `whatever a gateway says, an endpoint goes on or leaves`(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let dialect = GatewayDialect.allCases[Int(seed % 2)]
        var reader = EndpointReader(GatewayCodec(dialect, maxPacketSize: 64), patience: 20, hasLogin: false)
        var dialogue = dialogue(dialect, dials: 4, connections: 4)
        var bytes: [UInt8] = []
        for tag in 0..<200 {
            let length = [5, 9, 13, Int.random(in: 0...70, using: &random)].randomElement(using: &random)!
            bytes += [UInt8(length), 0, 0, 0, UInt8.random(in: 0...2, using: &random), 0, 0, 0]
            bytes += (0..<max(0, length - 4)).map { _ in UInt8.random(in: 0...6, using: &random) }
            guard let (events, used) = try? reader.events(in: bytes) else { return }
            for case .command(let command) in events {
                if case .accept(let id, _) = dialogue.receive(command) { dialogue.keep(id, as: tag) }
            }
            bytes.removeFirst(used)
            if Bool.random(using: &random) { _ = dialogue.dial(EndpointID(rawValue: UInt32(tag % 5)), for: tag) }
            if Bool.random(using: &random) { dialogue.giveUp(tag - 2) }
            if Bool.random(using: &random) { _ = dialogue.close(ConnectionID(rawValue: UInt32(tag % 7))) }
            #expect(dialogue.dialCount <= 4, "seed \(seed)")
            #expect(bytes.count <= reader.mostUnread, "seed \(seed)")
        }
    }

    // MARK: Keep-alive

    @Test func `pings come at every interval, and their answers in time`() {
        var keepAlive = EndpointKeepAlive(interval: .seconds(10), timeout: .seconds(3), from: .seconds(5))
        #expect(keepAlive.step(at: .seconds(5)) == .wait(until: .seconds(15)))
        #expect(keepAlive.step(at: .seconds(15)) == .ping)
        #expect(keepAlive.step(at: .seconds(15)) == .wait(until: .seconds(18)))
        keepAlive.answered()
        #expect(keepAlive.step(at: .seconds(16)) == .wait(until: .seconds(25)))
        #expect(keepAlive.step(at: .seconds(25)) == .ping)
        #expect(keepAlive.step(at: .seconds(28)) == .overdue)
        keepAlive.goOn(at: .seconds(28))
        #expect(keepAlive.step(at: .seconds(28)) == .wait(until: .seconds(31)))
        keepAlive.answered()
        #expect(keepAlive.step(at: .seconds(36)) == .ping)
    }

    @Test func `without an interval there are no pings, and without a timeout no answers`() {
        var off = EndpointKeepAlive(interval: .zero, timeout: .seconds(3), from: .zero)
        #expect(off.step(at: .seconds(99)) == .rest)
        var deaf = EndpointKeepAlive(interval: .seconds(1), timeout: nil, from: .zero)
        #expect(deaf.step(at: .seconds(1)) == .ping)
        #expect(deaf.step(at: .seconds(1)) == .wait(until: .seconds(2)))
        #expect(deaf.step(at: .seconds(2)) == .ping)
    }
}
