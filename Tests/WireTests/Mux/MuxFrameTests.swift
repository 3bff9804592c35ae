import OmniwayTesting
import OmniwayWire
import Testing

/// Frames as they were written, and the events that they are.
enum MuxSamples {
    static func bytes(_ frame: InlineArray<16, UInt8>) -> [UInt8] { frame.indices.map { frame[$0] } }
    static func bytes(_ frame: InlineArray<8, UInt8>) -> [UInt8] { frame.indices.map { frame[$0] } }

    static let all: [(bytes: [UInt8], event: MuxEvent)] = [
        (bytes(MuxFrame.open(1, giving: 65_536, taking: 4096)), .open(1, giving: 65_536, taking: 4096)),
        (bytes(MuxFrame.header(.data, stream: 1, length: 3)) + [7, 8, 9], .data(1, 8..<11, ends: false)),
        (bytes(MuxFrame.header(.data, .fin, stream: 0xff_fffe, length: 0)), .data(0xff_fffe, 8..<8, ends: true)),
        (bytes(MuxFrame.header(.datagram, stream: 5, length: 2)) + [1, 2], .datagram(5, 8..<10)),
        (bytes(MuxFrame.control(.window, stream: 3, number: 70_000)), .window(3, 70_000)),
        (bytes(MuxFrame.control(.window, .ack, stream: 3, number: 70_000)), .unused(3, 70_000)),
        (bytes(MuxFrame.control(.reset, stream: 3, number: 2)), .reset(3, 2)),
        (bytes(MuxFrame.control(.ping, number: 77)), .ping(77)),
        (bytes(MuxFrame.control(.ping, .ack, number: .max)), .pong(.max)),
        (bytes(MuxFrame.control(.goAway, number: 9)), .goAway(9)),
    ]
}

@Suite struct MuxFrameTests {
    private func read(_ bytes: [UInt8]) throws -> (event: MuxEvent?, offset: Int) {
        var reader = MuxReader()
        var offset = 0
        let event = try lending(bytes) { try reader.next(in: $0, from: &offset) }
        return (event, offset)
    }

    @Test func `the layout is type, flags, stream and length, big-endian`() {
        let frame = MuxSamples.bytes(MuxFrame.control(.window, .ack, stream: 0x01_0203, number: 0x0405_0607_0809_0a0b))
        #expect(frame == [3, 2, 1, 2, 3, 0, 0, 8, 4, 5, 6, 7, 8, 9, 10, 11])
        #expect(MuxSamples.bytes(MuxFrame.header(.data, .fin, stream: 9, length: 65_536)) == [1, 1, 0, 0, 9, 1, 0, 0])
    }

    @Test(arguments: MuxSamples.all.indices) func `a frame is read as it was written`(_ index: Int) throws {
        let sample = MuxSamples.all[index]
        let (event, offset) = try read(sample.bytes)
        #expect(event == sample.event)
        #expect(offset == sample.bytes.count)
    }

    @Test(arguments: MuxSamples.all.indices)
    func `a frame cut anywhere is waited for, but for bytes of a stream, which come in pieces`(_ index: Int) throws {
        let sample = MuxSamples.all[index]
        for cut in sample.bytes.indices {
            let (event, offset) = try read(Array(sample.bytes[..<cut]))
            if case .data(let stream, _, _) = sample.event, cut >= 8 {
                #expect(event == .data(stream, 8..<cut, ends: false))
                #expect(offset == cut)
            } else {
                #expect(event == nil)
                #expect(offset == 0)
            }
        }
    }

    @Test(arguments: 1...300) func `frames say the same however they were cut`(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var sent: [UInt8] = []
        var expected: [UInt32: [UInt8]] = [:]
        var others: [MuxEvent] = []
        for _ in 0..<40 {
            let sample = MuxSamples.all[Int.random(in: MuxSamples.all.indices, using: &random)]
            if case .data(let stream, _, _) = sample.event {
                let count = Int.random(in: 0...2000, using: &random)
                let payload = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
                sent += MuxSamples.bytes(MuxFrame.header(.data, stream: stream, length: count)) + payload
                expected[stream, default: []] += payload
            } else {
                sent += sample.bytes
                if case .datagram = sample.event { continue }
                others.append(sample.event)
            }
        }
        var reader = MuxReader()
        var got: [UInt32: [UInt8]] = [:]
        var gotOthers: [MuxEvent] = []
        var unread: [UInt8] = []
        while !sent.isEmpty {
            let count = min(sent.count, Int.random(in: 1...500, using: &random))
            unread += sent[..<count]
            sent.removeFirst(count)
            var offset = 0
            while let event = try lending(unread, { try reader.next(in: $0, from: &offset) }) {
                switch event {
                case .data(let stream, let range, _): got[stream, default: []] += unread[range]
                case .datagram(_, let range): #expect(Array(unread[range]) == [1, 2])
                default: gotOthers.append(event)
                }
            }
            unread.removeFirst(offset)
        }
        #expect(unread.isEmpty)
        #expect(got == expected, "seed \(seed)")
        #expect(gotOthers == others, "seed \(seed)")
    }

    @Test(
        arguments: [
            ([0, 0, 0, 0, 1, 0, 0, 0], MuxError.unknownFrame(0)),
            ([8, 0, 0, 0, 1, 0, 0, 0], .unknownFrame(8)),
            ([1, 2, 0, 0, 1, 0, 0, 0], .flags(2, .data)),
            ([1, 0, 0, 0, 1, 1, 0, 1], .tooLong(65_537)),
            ([7, 0, 0, 0, 1, 0, 0xff, 0xe4], .tooLong(65_508)),
            ([3, 0, 0, 0, 1, 0, 0, 4], .controlLength(4)),
            ([5, 1, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0], .flags(1, .ping)),
        ] as [([UInt8], MuxError)])
    func `what is no frame is an error`(_ bytes: [UInt8], _ error: MuxError) {
        #expect(throws: error) { try read(bytes) }
    }
}
