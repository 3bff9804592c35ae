import OmniwayTesting
import Testing

@testable import OmniwayWire

@Suite struct MeshCodecTests {
    private static func id(_ number: UInt8) -> NodeID { NodeID([number] + [UInt8](repeating: 7, count: 31))! }
    private static let gossip = GossipID(origin: id(1), epoch: 2, sequence: 3)
    private static let updates = [
        FailureDetector.Update(node: id(1), incarnation: 5, status: .suspect, accuser: id(2)),
        FailureDetector.Update(node: id(2), incarnation: .max, status: .dead, accuser: id(1)),
    ]
    private static func packet(_ kind: MeshPacket.Kind, signature: [UInt8] = []) -> MeshMessage {
        .packet(
            MeshPacket(
                source: id(1), epoch: 2, sequence: 3, destination: id(4), destinationEpoch: 5, hops: 6, kind: kind,
                signature: signature))
    }

    /// One of each kind, with every list both empty and not.
    static let all: [MeshMessage] = [
        .hello(MeshContact(id(1), name: "luda", address: "127.0.0.1:1", epoch: 9)), .ping(1), .pong(.max),
        .close(.duplicate, "why"), .member(.join), .member(.forwardJoin(id(2), walk: 6)),
        .member(.neighbor(isUrgent: true)), .member(.neighborReply(isAccepted: false)), .member(.disconnect),
        .member(.shuffle(origin: id(1), walk: 2, nodes: [id(2), id(3)])), .member(.shuffleReply([])),
        .gossip(.payload(gossip, hops: 1, [1, 2, 3])), .gossip(.repair(gossip, hops: 255, [])),
        .gossip(.have([GossipMessage.Announcement(id: gossip, hops: 1, isLarge: true)])), .gossip(.graft(gossip)),
        .gossip(.prune(id(1))),
        .gossip(.digest([GossipMessage.Digest(origin: id(1), epoch: 1, highest: 9, gaps: [3, 4])])),
        .gossip(.gone(origin: id(1), epoch: 1, upTo: 7)),
        .detector(.ping(1, updates)), .detector(.ack(1, [])), .detector(.pingRequest(1, id(3), updates)),
        .detector(.nack(1, updates)), .detector(.news(updates)), .detector(.state(updates, wantsReply: true)),
        packet(.message([1, 2])), packet(.message([]), signature: [UInt8](repeating: 5, count: 64)),
        packet(.request(method: "title", [3], deadline: .milliseconds(1500))), packet(.answer(to: 7, .failed, [1])),
        packet(.acknowledged(8)), packet(.cancelled(12)), packet(.restarted(9, epoch: 10)),
        packet(.noRoute(11, to: id(9))),
        packet(.here(MeshContact(id(1), name: "ü", address: "", epoch: 1))),
    ]

    @Test(arguments: all.indices) func `every message reads as it was written`(_ index: Int) throws {
        let message = Self.all[index]
        let read = try #require(try MeshCodec.read(MeshCodec.frame(message)))
        #expect(read.message == message)
    }

    @Test(arguments: all.indices) func `a frame that was cut is refused, or is a shorter message of bytes`(
        _ index: Int
    ) throws {
        let frame = MeshCodec.frame(Self.all[index])
        for cut in frame.body.indices {
            let part = MeshFrame(kind: frame.kind, body: Array(frame.body[..<cut]))
            guard let read = try? MeshCodec.read(part) else { continue }
            #expect(MeshCodec.frame(read.message).body == part.body)
        }
    }

    @Test func `nodes that are named bring their addresses along`() throws {
        let frame = MeshCodec.frame(.member(.shuffleReply([Self.id(1), Self.id(2)]))) {
            $0 == Self.id(1) ? "10.0.0.1:7" : ""
        }
        let read = try #require(try MeshCodec.read(frame))
        #expect(read.contacts == [MeshContact(Self.id(1), address: "10.0.0.1:7")])
    }

    @Test func `a count that the frame cannot hold is refused before anything is made`() {
        #expect(throws: MeshFrameError.tooShort) { try MeshCodec.read(MeshFrame(kind: 0x16, body: [0xff, 0xff, 1])) }
    }

    @Test func `unknown kinds are refused below 0x80, and passed over from there`() throws {
        #expect(throws: MeshFrameError.unknownKind(0x7f)) { try MeshCodec.read(MeshFrame(kind: 0x7f, body: [])) }
        #expect(try MeshCodec.read(MeshFrame(kind: 0x80, body: [1])) == nil)
    }

    @Test func `what a packet's source signs says everything but how far it may go`() {
        guard case .packet(var packet) = Self.packet(.message([1])) else { return }
        let signed = MeshCodec.signed(packet)
        packet.hops = 1
        packet.signature = [UInt8](repeating: 1, count: 64)
        #expect(MeshCodec.signed(packet) == signed)
        packet.destinationEpoch = 99
        #expect(MeshCodec.signed(packet) != signed)
    }

    /// The fuzzer's bytes: a deadline of 1332769897 ms, which a division by one millisecond makes one less.
    @Test func `a deadline is written as it was read`() throws {
        var body: [UInt8] = [6, 0]
        for number in [1, 3] as [UInt8] {
            body += [UInt8](repeating: number, count: 32)
            body += [0, 0, 0, 0, 0, 0, 0x74, number]
        }
        body.insert(contentsOf: [0, 0, 0, 0, 0, 0, 0, 2], at: 42)
        body += [4, 0x4f, 0x70, 0x74, 0x69, 0x4f, 0x70, 0x74, 0x69, 0x61]
        let frame = MeshFrame(kind: 0x40, body: body)
        let read = try #require(try MeshCodec.read(frame))
        #expect(MeshCodec.frame(read.message).body == frame.body)
        for limit in [Duration.seconds(Int64.max), .milliseconds(Int64(UInt32.max) + 1), .seconds(-1)] {
            let said = MeshCodec.frame(Self.packet(.request(method: "", [], deadline: limit)))
            let expected: [UInt8] = limit < .zero ? [0, 0, 0, 0] : [255, 255, 255, 255]
            #expect(said.body.suffix(4) == expected[...])
        }
    }

    @Test func `a message to everybody is its origin's, or is refused`() throws {
        let identity = NodeIdentity.random()
        let id = GossipID(origin: identity.id, epoch: 1, sequence: 1)
        let envelope = Envelope.application(topic: "news", [1, 2])
        let bytes = envelope.bytes(signedBy: identity, as: id)
        #expect(Envelope.isSigned(bytes, as: id))
        #expect(Envelope(bytes, isSigned: true) == envelope)
        #expect(!Envelope.isSigned(bytes, as: GossipID(origin: identity.id, epoch: 1, sequence: 2)))
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1
            #expect(!Envelope.isSigned(changed, as: id))
        }
    }
}
