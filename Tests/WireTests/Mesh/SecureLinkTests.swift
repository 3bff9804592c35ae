import OmniwayTesting
import Testing

@testable import OmniwayWire

@Suite struct NoiseHandshakeTests {
    private func bytes(_ hex: String) -> [UInt8] { Vectors.bytes(hex) ?? [] }

    private func pair(prologue: ([UInt8], [UInt8]) = ([], []), secret: ([UInt8]?, [UInt8]?) = (nil, nil)) -> (
        NoiseHandshake, NoiseHandshake
    ) {
        let initiator = NoiseHandshake(
            isInitiator: true, staticKey: (0..<32).map { UInt8($0) }, ephemeralKey: (0x20..<0x40).map { UInt8($0) },
            prologue: prologue.0, groupSecret: secret.0)
        let responder = NoiseHandshake(
            isInitiator: false, staticKey: (1...32).map { UInt8($0) }, ephemeralKey: (0x41...0x60).map { UInt8($0) },
            prologue: prologue.1, groupSecret: secret.1)
        return (initiator, responder)
    }

    /// A published test vector of Noise_XX_25519_ChaChaPoly_SHA256.
    @Test func `messages are those that other implementations make`() throws {
        let expected = [
            "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254746573745f6d73675f30",
            "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d484663414af878d3e46a2f58911a816d6e8346d4ea1"
                + "7a6f2a0bb4ef4ed56c133cff4572e7a2ba5123ac30618b3d205f5c2d17f50cbca216483ac56bcc78e33bf520303278db641e"
                + "5e731b2e3a",
            "87f864c11ba449f46a0a4f4e2eacbb7b0457784f4fca1937f572c93603e9c4d9f27e318e43ba630594c4d08eeb3b36d97c737"
                + "7a2f4f9144b2f0c8095ad92140505b2ab53eff244b14138",
        ].map(bytes)
        var (initiator, responder) = pair()
        for step in 0..<3 {
            let payload = Array("test_msg_\(step)".utf8)
            if step == 1 {
                let message = try responder.write(payload)
                #expect(message == expected[step])
                #expect(try initiator.read(message) == payload)
            } else {
                let message = try initiator.write(payload)
                #expect(message == expected[step])
                #expect(try responder.read(message) == payload)
            }
        }
        #expect(initiator.hash == responder.hash)
        var (here, there) = (initiator.split(), responder.split())
        let first = here.sending.seal(Array("yellowsubmarine".utf8))
        #expect(first == bytes("a52ef02ba60e12696d1d6b9ef4245c88fca757b6134ad6e76b56e310a6adf6"))
        #expect(there.receiving.open(first) == Array("yellowsubmarine".utf8))
        let second = there.sending.seal(Array("submarineyellow".utf8))
        #expect(second == bytes("2445aa438ebd649281c636cc7269ca82f1d9023d72520943aeabf909cdf521"))
        #expect(here.receiving.open(second) == Array("submarineyellow".utf8))
        #expect(here.receiving.open(second) == nil, "nothing is taken twice")
    }

    @Test func `another prologue ends the handshake at its second message`() throws {
        var (initiator, responder) = pair(prologue: ([1], [2]))
        _ = try responder.read(try initiator.write([]))
        let answer = try responder.write([])
        #expect(throws: NoiseHandshake.Failure.notForUs) { try initiator.read(answer) }
    }

    @Test func `without the group's secret even the first message cannot be read`() throws {
        let (one, two) = ([UInt8](repeating: 1, count: 32), [UInt8](repeating: 2, count: 32))
        for secrets in [(one, two), (one, nil), (nil, two)] as [([UInt8]?, [UInt8]?)] {
            var (initiator, responder) = pair(secret: secrets)
            let message = try initiator.write([7])
            #expect(throws: NoiseHandshake.Failure.self) {
                _ = try responder.read(message)
                // A plain XX reads any first message, and fails at the next.
                _ = try initiator.read(try responder.write([]))
            }
        }
        var (initiator, responder) = pair(secret: (one, one))
        #expect(try responder.read(try initiator.write([7])) == [7])
        #expect(try initiator.read(try responder.write([8])) == [8])
        #expect(try responder.read(try initiator.write([9])) == [9])
        #expect(initiator.hash == responder.hash)
    }

    @Test func `messages out of turn, cut short or with a useless key are refused`() throws {
        var (initiator, responder) = pair()
        #expect(throws: NoiseHandshake.Failure.outOfTurn) { try responder.write([]) }
        #expect(throws: NoiseHandshake.Failure.outOfTurn) { try initiator.read([]) }
        #expect(throws: NoiseHandshake.Failure.tooShort) { try responder.read([1, 2, 3]) }
        (initiator, responder) = pair()
        _ = try responder.read([UInt8](repeating: 0, count: 32))
        #expect(throws: NoiseHandshake.Failure.badKey) { try responder.write([]) }
    }
}

@Suite struct SecureLinkTests {
    private static let here = NodeIdentity(secret: [UInt8](repeating: 1, count: 32))!
    private static let there = NodeIdentity(secret: [UInt8](repeating: 2, count: 32))!

    private static func terms(_ isInitiator: Bool, _ change: (inout SecureLink.Terms) -> Void = { _ in })
        -> SecureLink.Terms
    {
        var terms = SecureLink.Terms(
            isInitiator ? here : there, isInitiator: isInitiator, greetings: ([1, 2], [3]),
            staticKey: [UInt8](repeating: isInitiator ? 3 : 4, count: 32),
            ephemeralKey: [UInt8](repeating: isInitiator ? 5 : 6, count: 32))
        change(&terms)
        return terms
    }

    private func receive(
        _ bytes: [UInt8], _ link: inout SecureLink, at now: Duration = .zero
    ) throws(SecureLink.Failure) -> SecureLink.Received {
        try lending(bytes) { span throws(SecureLink.Failure) in try link.receive(span, at: now) }
    }

    private func open(
        _ one: SecureLink.Terms = terms(true), _ other: SecureLink.Terms = terms(false),
        rekeying: SecureLink.Rekeying = SecureLink.Rekeying()
    ) throws(SecureLink.Failure) -> (SecureLink, SecureLink) {
        var initiator = SecureLink(one, rekeying: rekeying, at: .zero)
        var responder = SecureLink(other, rekeying: rekeying, at: .zero)
        let second = try receive(try initiator.begin(), &responder).answer
        let third = try receive(second, &initiator).answer
        _ = try receive(third, &responder)
        return (initiator, responder)
    }

    @Test func `after three messages both ends know who the other is`() throws {
        let (initiator, responder) = try open()
        #expect(initiator.isOpen && responder.isOpen)
        #expect(initiator.peer == Self.there.id)
        #expect(responder.peer == Self.here.id)
    }

    @Test func `frames of any size go both ways, cut anywhere`() throws {
        var (initiator, responder) = try open()
        for size in [0, 1, 65_514, 65_515, 200_000, (1 << 20) + 63] {
            let frame = MeshFrame(kind: 0x20, body: [UInt8](repeating: UInt8(size & 255), count: size))
            #expect(try receive(responder.send(frame, at: .zero), &initiator).frames == [frame])
            #expect(try receive(initiator.send(frame, at: .zero), &responder).frames == [frame])
        }
        let frames = (0..<3).map { MeshFrame(kind: $0, body: [$0, 9]) }
        let bytes = frames.flatMap { initiator.send($0, at: .zero) }
        for cut in 0...bytes.count {
            var copy = responder
            let first = try receive(Array(bytes[..<cut]), &copy)
            let second = try receive(Array(bytes[first.used...]), &copy)
            #expect(first.frames + second.frames == frames)
            #expect(first.used + second.used == bytes.count)
        }
    }

    @Test func `whatever bit is changed on the way, the link fails and stays so`() throws {
        var initiator = SecureLink(Self.terms(true), at: .zero)
        let first = try initiator.begin()
        for index in 2..<first.count {
            var responder = SecureLink(Self.terms(false), at: .zero)
            var changed = first
            changed[index] ^= 1
            // The first message is not sealed: what is wrong with it shows in the answer.
            #expect(throws: SecureLink.Failure.self) {
                let answer = try receive(changed, &responder).answer
                var copy = initiator
                _ = try receive(answer, &copy)
            }
        }
        var (sender, receiver) = try open()
        let record = sender.send(MeshFrame(kind: 1, body: [1, 2, 3]), at: .zero)
        for index in 2..<record.count {
            var copy = receiver
            var changed = record
            changed[index] ^= 0x80
            #expect(throws: SecureLink.Failure.record) { try receive(changed, &copy) }
            #expect(throws: SecureLink.Failure.record) { try receive(record, &copy) }
        }
        _ = try receive(record, &receiver)
        #expect(throws: SecureLink.Failure.record) { try receive(record, &receiver) }
    }

    @Test func `a greeting changed on its way, as for a downgrade, ends the handshake`() {
        #expect(throws: SecureLink.Failure.handshake(.notForUs)) {
            _ = try open(Self.terms(true), Self.terms(false) { $0.greetings = ([1, 2], [4]) })
        }
        #expect(throws: SecureLink.Failure.handshake(.notForUs)) {
            // The same bytes, divided otherwise.
            _ = try open(Self.terms(true), Self.terms(false) { $0.greetings = ([1], [2, 3]) })
        }
    }

    @Test func `only members of the group get through`() throws {
        let secret = [UInt8](repeating: 8, count: 32)
        _ = try open(Self.terms(true) { $0.groupSecret = secret }, Self.terms(false) { $0.groupSecret = secret })
        #expect(throws: SecureLink.Failure.handshake(.notForUs)) {
            _ = try open(Self.terms(true), Self.terms(false) { $0.groupSecret = secret })
        }
    }

    @Test func `somebody else, and oneself, are refused`() {
        #expect(throws: SecureLink.Failure.wrongPeer(Self.there.id)) {
            _ = try open(Self.terms(true) { $0.expected = Self.here.id })
        }
        #expect(throws: SecureLink.Failure.itself) {
            _ = try open(Self.terms(true), Self.terms(false) { $0.identity = Self.here })
        }
    }

    @Test func `an id that is only claimed is refused`() throws {
        // A handshake whose payload is the proof of another link.
        var responder = NoiseHandshake(
            isInitiator: false, staticKey: [UInt8](repeating: 7, count: 32),
            ephemeralKey: [UInt8](repeating: 8, count: 32),
            prologue: [0, 0, 0, 0, 0, 0, 0, 0])
        var initiator = SecureLink(Self.terms(true) { $0.greetings = ([], []) }, at: .zero)
        _ = try responder.read(Array(try initiator.begin().dropFirst(2)))
        let stolen = Self.there.id.bytes + Self.there.signature(of: [1, 2, 3])
        let message = try responder.write(stolen)
        #expect(throws: SecureLink.Failure.noProof) {
            try receive([UInt8(message.count >> 8), UInt8(message.count & 255)] + message, &initiator)
        }
    }

    @Test func `a frame without a kind, or too large, ends the link`() throws {
        for length in [0, MeshFrame.largest + 1, 0xffff_ffff] {
            var (_, responder) = try open()
            var (sending, _) = try plainCiphers()
            let head = (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) }
            let sealed = sending.seal(head)
            #expect(throws: SecureLink.Failure.frame(length: length)) {
                try receive([0, UInt8(sealed.count)] + sealed, &responder)
            }
        }
    }

    /// The ciphers of the initiator of `open()`, to send what it would not.
    private func plainCiphers() throws -> (NoiseCipher, NoiseCipher) {
        var responder = SecureLink(Self.terms(false), at: .zero)
        let prologue: [UInt8] = [0, 0, 0, 2, 1, 2, 0, 0, 0, 1, 3]
        var handshake = NoiseHandshake(
            isInitiator: true, staticKey: Self.terms(true).staticKey, ephemeralKey: Self.terms(true).ephemeralKey,
            prologue: prologue)
        let first = try handshake.write([])
        let answer = try receive([0, UInt8(first.count)] + first, &responder).answer
        _ = try handshake.read(Array(answer.dropFirst(2)))
        _ = try handshake.write(Self.here.id.bytes + [UInt8](repeating: 0, count: 64))
        return handshake.split()
    }

    @Test func `keys are replaced after so many records, and after so long`() throws {
        var rekeying = SecureLink.Rekeying()
        rekeying.records = 3
        var (initiator, responder) = try open(rekeying: rekeying)
        var sizes: [Int] = []
        for number in 0..<10 {
            let frame = MeshFrame(kind: 1, body: [UInt8(number)])
            let bytes = initiator.send(frame, at: .zero)
            sizes.append(bytes.count)
            #expect(try receive(bytes, &responder).frames == [frame])
        }
        #expect(sizes == [24, 24, 24, 42, 24, 24, 42, 24, 24, 42])
        (initiator, responder) = try open()
        #expect(initiator.send(MeshFrame(kind: 1, body: [1]), at: .seconds(3599)).count == 24)
        #expect(initiator.send(MeshFrame(kind: 1, body: [1]), at: .seconds(3600)).count == 42)
        #expect(initiator.send(MeshFrame(kind: 1, body: [1]), at: .seconds(3601)).count == 24)
    }

    @Test(arguments: 1...30 as ClosedRange<UInt64>)
    func `no bytes of a peer trap, before or after the handshake`(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var (_, opened) = try open()
        for _ in 0..<50 {
            let count = Int(random.next() % 200)
            var bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            if count > 2 { bytes[0] = 0 }
            var fresh = SecureLink(Self.terms(random.next() % 2 == 0), at: .zero)
            _ = try? receive(bytes, &fresh)
            _ = try? receive(bytes, &opened)
        }
        #expect(!opened.isOpen || opened.peer == Self.here.id)
    }
}
