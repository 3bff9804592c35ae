import OmniwayTesting
import Testing

@testable import OmniwayWire

@Suite struct SnetHandshakeTests {
    /// Cases with a whole conversation: handshake, data, loss, resume, data again.
    static let conversations = [SnetDialect.a, .b].flatMap { dialect in
        ((try? SnetFile.load(dialect)) ?? []).filter {
            $0.case.hasPrefix("reconnect-plain") || $0.case.hasPrefix("reconnect-rc4")
        }
    }

    @Test func `every recorded conversation is here`() { #expect(Self.conversations.count == 8) }

    @Test(arguments: conversations) func `the server says what the reference says, wherever bytes are cut`(
        _ one: SnetCase
    ) throws {
        let hello = one.bytes("new-type", "new-request", "new-verify")
        let expected = one.bytes("new-response")
        for cut in 0...hello.count {
            var server = SnetServerSide(one)
            #expect(try server.feed(hello, cutAt: cut) == expected)
            #expect(server.stream != nil && server.isDone)
        }
        var server = SnetServerSide(one)
        _ = try server.feed(hello, cutAt: 0)
        var stream = try #require(server.stream)
        #expect(stream.id == 1 && stream.key == one.number("sharedSecret"))

        let lost = one.bytes("lost-server")
        let fromClient = stream.receives(one.bytes("data-client"))
        let said = one.clear("data-server", "lost-server", keyStreamFrom: 8)
        let saidByClient = one.clear("data-client", "lost-client", keyStreamFrom: 0)
        #expect(fromClient[...] == saidByClient[..<fromClient.count])
        #expect(stream.sends(said) == one.bytes("data-server", "lost-server"))

        let request = one.bytes("reconnect-type", "reconnect-request", "reconnect-verify")
        for cut in 0...request.count {
            var again = SnetServerSide(one, stream)
            #expect(try again.feed(request, cutAt: cut) == one.bytes("reconnect-response"))
            #expect(again.isDone)
            var resumed = try #require(again.stream)
            #expect(resumed.takeUnsent() == lost)
            #expect(resumed.receives(one.bytes("retransmit-client"))[...] == saidByClient[fromClient.count...])
            let after = one.clear("after-client", keyStreamFrom: saidByClient.count)
            #expect(resumed.receives(one.bytes("after-client")) == after)
            let answer = one.clear("after-server", keyStreamFrom: 8 + said.count)
            #expect(resumed.sends(answer) == one.bytes("after-server"))
        }
    }

    @Test(arguments: conversations) func `the client says what the reference says, wherever bytes are cut`(
        _ one: SnetCase
    ) throws {
        let response = one.bytes("new-response")
        var opened: SnetStream?
        for cut in 0...response.count {
            var client = SnetClientHandshake(one.snet, privateKey: one.number("clientPrivateKey"))
            #expect(client.hello == one.bytes("new-type", "new-request"))
            let step = try client.feed(response, cutAt: cut)
            let key = one.number("sharedSecret")
            #expect(step == .opened(id: 1, key: key, reply: one.bytes("new-verify")))
            opened = SnetStream(id: 1, key: key, side: .client, encrypts: one.encrypts, ring: one.ring)
        }
        var stream = try #require(opened)
        let said = one.clear("data-client", "lost-client", keyStreamFrom: 0)
        #expect(stream.sends(said) == one.bytes("data-client", "lost-client"))
        let heard = one.clear("data-server", "lost-server", keyStreamFrom: 8)
        let delivered = stream.receives(one.bytes("data-server"))
        #expect(delivered[...] == heard[..<delivered.count])

        let answer = one.bytes("reconnect-response")
        for cut in 0...answer.count {
            var client = SnetClientHandshake(one.snet, resuming: stream)
            #expect(client.hello == one.bytes("reconnect-type", "reconnect-request"))
            guard case .resumed(let written, let read, let reply) = try client.feed(answer, cutAt: cut) else {
                Issue.record("not resumed")
                continue
            }
            #expect(reply == one.bytes("reconnect-verify"))
            var resumed = stream
            let gap = try resumed.resume(peerWritten: written, peerRead: read, told: resumed.read)
            #expect(gap == UInt64(one.bytes("lost-client").count))
            #expect(resumed.takeUnsent() == one.bytes("retransmit-client"))
            #expect(resumed.receives(one.bytes("retransmit-server"))[...] == heard[delivered.count...])
            let after = one.clear("after-client", keyStreamFrom: said.count)
            #expect(resumed.sends(after) == one.bytes("after-client"))
        }
    }

    /// Requests of the reference's own refusals, with the answers that it gave.
    @Test(arguments: [SnetDialect.a, .b]) func `what the reference refuses is refused in the same bytes`(
        _ dialect: SnetDialect
    ) throws {
        let one = try #require(SnetFile.load(dialect).first { $0.case == "reconnect-refusals" })
        let secrets: [SnetDialect: UInt64] = [.a: 0x4c16_1d3c_d9d9_8230, .b: 0x0bc9_d0cc_d65a_459f]
        var stream = SnetStream(id: 1, key: secrets[dialect] ?? 0, side: .server, encrypts: true, ring: 32)
        _ = stream.sends([UInt8](repeating: 7, count: 40))
        var requests = 0
        for (index, vector) in one.vectors.enumerated() where vector.name == "reconnect-request" {
            requests += 1
            let expected = one.vectors[index + 1].bytes
            var server = SnetServerHandshake(dialect)
            guard case .resume(let request) = try vector.bytes.read({ try server.receive(&$0) }).result else {
                Issue.record("no request to resume: \(vector.meaning)")
                continue
            }
            if request.id != 1 || !request.isGenuine(key: stream.key) {
                #expect(vector.meaning.contains("unknown") || vector.meaning.contains("wrong MD5"))
                #expect(SnetServerHandshake.refusal(dialect) == expected)
                continue
            }
            switch server.answer(request, for: stream, challenge: 99) {
            case .refused(let bytes, let error):
                #expect(bytes == expected, "\(vector.meaning)")
                #expect(error == (request.read == 41 ? .impossibleCounts : .gapTooLarge(33, ring: 32)))
            case .accepted(let bytes):
                #expect(vector.meaning.contains("exactly 32") || vector.meaning.contains("wrong challenge answer"))
                #expect(bytes[..<16] == expected[..<16])
            }
        }
        #expect(requests == (dialect == .a ? 5 : 6))
    }

    @Test func `a wrong proof, a wrong type and the public key 0 are errors`() throws {
        var server = SnetServerHandshake(.b)
        #expect(throws: SnetError.badType(1)) { try [1].read { try server.receive(&$0) } }
        for dialect in [SnetDialect.a, .b] {
            var server = SnetServerHandshake(dialect)
            let hello = [UInt8](repeating: 0, count: dialect == .a ? 40 : 9)
            #expect(throws: SnetError.badPublicKey) { try hello.read { try server.receive(&$0) } }
            var client = SnetClientHandshake(dialect, privateKey: 7)
            let answer = [UInt8](repeating: 0, count: dialect == .a ? 16 : 24)
            #expect(throws: SnetError.badPublicKey) { try answer.read { try client.receive(&$0) } }
        }
        let one = try #require(SnetFile.load(.b).first { $0.case == "bad-new-verify" })
        var fresh = SnetServerHandshake(.b)
        _ = try one.bytes("new-request").read { try fresh.receive(&$0) }
        _ = try fresh.open(3, id: 1, privateKey: 5, challenge: 9, encrypts: true, ring: 32)
        #expect(throws: SnetError.badProof) { try one.bytes("new-verify").read { try fresh.receive(&$0) } }
    }

    @Test func `a challenge of 0 is never sent, and 24 zero bytes are a refusal`() throws {
        var server = SnetServerHandshake(asked: .b)
        let stream = SnetStream(id: 1, key: 5, side: .server, encrypts: false, ring: 32)
        let answer = server.answer(SnetResume(stream), for: stream, challenge: 0)
        #expect(answer == .accepted([UInt8](repeating: 0, count: 16) + [1, 0, 0, 0, 0, 0, 0, 0]))
        var client = SnetClientHandshake(.b, resuming: stream)
        #expect(throws: SnetError.refused) { try SnetServerHandshake.refusal(.b).read { try client.receive(&$0) } }
    }

    @Test func `a public key above the prime is reduced on both sides`() throws {
        var server = SnetServerHandshake(.a)
        let hello = [UInt8](repeating: 0, count: 8) + [UInt8](repeating: 255, count: 8) + .init(repeating: 0, count: 24)
        #expect(try hello.read { try server.receive(&$0) }.result == .new(publicKey: .max))
        let (_, stream) = try server.open(.max, id: 1, privateKey: 3, challenge: 1, encrypts: true, ring: 0)
        #expect(stream.key == 0x2fa28)
    }

    /// Counts come from the peer; no 64 bits of them may trap.
    @Test func `impossible counts of any size are refused`() throws {
        var stream = SnetStream(id: 1, key: 5, side: .server, encrypts: false, ring: 100)
        _ = stream.sends([UInt8](repeating: 1, count: 50))
        _ = stream.receives([UInt8](repeating: 1, count: 20))
        let numbers: [UInt64] = [0, 1, 19, 20, 21, 49, 50, 51, 1 << 32, .max / 2, .max - 1, .max]
        for written in numbers {
            for read in numbers {
                var copy = stream
                let isPossible = written >= 20 && read <= 50
                if isPossible {
                    #expect(try copy.resume(peerWritten: written, peerRead: read, told: 20) == 50 - read)
                } else {
                    #expect(throws: SnetError.impossibleCounts) {
                        try copy.resume(peerWritten: written, peerRead: read, told: 20)
                    }
                    #expect(!copy.hasUnsent)
                }
            }
        }
        let far = SnetStream(id: 1, key: 5, written: .max, read: .max, ring: 100)
        #expect(throws: SnetError.gapTooLarge(.max, ring: 100)) { try far.gap(peerWritten: .max, peerRead: 0) }
        #expect(try far.gap(peerWritten: .max, peerRead: .max - 100) == 100)
    }
}

/// The accepting side of a recorded conversation, with its numbers.
private struct SnetServerSide {
    let one: SnetCase
    var handshake: SnetServerHandshake
    var stream: SnetStream?
    var isDone = false
    private var request: SnetResume?

    init(_ one: SnetCase, _ stream: SnetStream? = nil) {
        (self.one, self.stream) = (one, stream)
        handshake = SnetServerHandshake(one.snet)
    }

    /// What it says to bytes that are cut in one place.
    mutating func feed(_ bytes: [UInt8], cutAt cut: Int) throws -> [UInt8] {
        try feed(Array(bytes[..<cut])) + feed(Array(bytes[cut...]))
    }

    private mutating func feed(_ bytes: [UInt8]) throws -> [UInt8] {
        var out: [UInt8] = []
        var rest = bytes
        while true {
            let (step, used) = try rest.read { try handshake.receive(&$0) }
            rest = Array(rest[used...])
            switch step {
            case .more: return out
            case .new(let publicKey):
                let challenge = UInt64(one.bytes("new-response") + .init(repeating: 0, count: 8), at: 16)
                let (answer, stream) = try handshake.open(
                    publicKey, id: 1, privateKey: one.number("serverPrivateKey"), challenge: challenge,
                    encrypts: one.encrypts, ring: one.ring)
                self.stream = stream
                out += answer
            case .resume(let request):
                let stream = try #require(stream)
                #expect(request.isGenuine(key: stream.key))
                self.request = request
                let challenge = UInt64(one.bytes("reconnect-response") + .init(repeating: 0, count: 8), at: 16)
                let answer = handshake.answer(request, for: stream, challenge: challenge)
                guard case .accepted(let bytes) = answer else { throw SnetError.refused }
                out += bytes
            case .done:
                #expect(rest.isEmpty)
                isDone = true
                if let request, let told = stream?.read {
                    _ = try stream?.resume(peerWritten: request.written, peerRead: request.read, told: told)
                }
                return out
            }
        }
    }
}

extension SnetClientHandshake {
    /// The step of bytes that are cut in one place.
    fileprivate mutating func feed(_ bytes: [UInt8], cutAt cut: Int) throws -> Step {
        let (first, used) = try Array(bytes[..<cut]).read { try receive(&$0) }
        #expect(used == cut)
        if cut == bytes.count { return first }
        #expect(first == .more)
        return try Array(bytes[cut...]).read { try receive(&$0) }.result
    }
}
