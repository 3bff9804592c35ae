import OmniwayTesting
import Testing

@testable import OmniwayWire

@Suite struct PheromoneReaderTests {
    /// The messages of a stream that arrives in these pieces, as a link gives them: what is not used comes again.
    private func read(
        _ pieces: [[UInt8]], _ reader: inout PheromoneReader
    ) throws(PheromoneReader.Violation) -> [String] {
        var texts: [String] = []
        var unread: [UInt8] = []
        for piece in pieces {
            unread += piece
            var start = 0
            try lending(unread) { bytes throws(PheromoneReader.Violation) in
                while let range = try reader.next(in: bytes, at: &start) { texts.append(bytes.text(range)) }
            }
            unread.removeFirst(start)
        }
        return texts
    }

    private func read(_ pieces: [[UInt8]]) throws(PheromoneReader.Violation) -> [String] {
        var reader = PheromoneReader(maxMessageSize: 1 << 20)
        return try read(pieces, &reader)
    }

    private static let awkward = [
        #"{"name":"a}b","operation":"{\"","data":null}"#, #"{"a":"\\"}"#, #"{"a":["]",{"b":"\u0022}"}]}"#, "{}",
        #"{"信息素":"}😀{"}"#,
    ]

    @Test func `every recorded message is found at every cut`() throws {
        let all = try RecordedConversations.messages("mesh-short") + RecordedConversations.messages("mesh-long")
        for text in Set(all).sorted() + Self.awkward {
            let bytes = Array(text.utf8)
            for cut in 0...bytes.count {
                let pieces = [Array(bytes[..<cut]), Array(bytes[cut...])]
                #expect(try read(pieces) == [text], "cut at \(cut)")
            }
        }
    }

    @Test func `bytes that come one by one, and messages that come together, make no difference`() throws {
        let texts = Self.awkward + Self.awkward
        let bytes = Array(texts.joined(separator: " \r\n\t").utf8)
        #expect(try read([bytes]) == texts)
        #expect(try read(bytes.map { [$0] }) == texts)
        #expect(try read([Array(texts.joined().utf8)]) == texts)
    }

    @Test func `every input of the original that is an object is found as it is`() throws {
        var found = 0
        for recorded in try RecordedHandling.load() where recorded.input.first == "{" {
            guard recorded.error == 0, recorded.input.last == "}" else { continue }
            #expect(try read([Array(recorded.input.utf8)]) == [recorded.input])
            found += 1
        }
        #expect(found == 60)
    }

    @Test func `two messages in one segment, which the original loses, are two`() throws {
        let message = #"{"name":"luda","operation":"getreq","data":null}"#
        #expect(try read([Array((message + message).utf8)]) == [message, message])
    }

    @Test func `white space and a NUL between messages are nothing`() throws {
        var reader = PheromoneReader(maxMessageSize: 100)
        #expect(try read([Array("{}\0{} \t\r\n{}\0\0".utf8)], &reader) == ["{}", "{}", "{}"])
        #expect(reader.garbage == (0, 0))
    }

    @Test func `garbage is passed over up to the next message, and counted once however it comes`() throws {
        var reader = PheromoneReader(maxMessageSize: 100)
        #expect(try read(Array("he llo{}]}x{}".utf8).map { [$0] }, &reader) == ["{}", "{}"])
        #expect(reader.garbage == (2, 9))
    }

    @Test func `sixteen pieces of garbage are too many`() throws {
        var reader = PheromoneReader(maxMessageSize: 100)
        #expect(try read([Array(String(repeating: "x{}", count: 15).utf8)], &reader).count == 15)
        #expect(throws: PheromoneReader.Violation.garbage(times: 16, bytes: 16)) {
            try read([Array("x{}".utf8)], &reader)
        }
    }

    @Test func `64 KiB of garbage are too many`() throws {
        var reader = PheromoneReader(maxMessageSize: 100)
        #expect(try read([[UInt8](repeating: 0x78, count: 64 << 10)], &reader).isEmpty)
        #expect(throws: PheromoneReader.Violation.garbage(times: 1, bytes: (64 << 10) + 1)) {
            try read([[0x78]], &reader)
        }
    }

    @Test func `a message may be as large as it may be, and no larger`() throws {
        let text = #"{"a":"\#(String(repeating: "x", count: 92))"}"#
        var reader = PheromoneReader(maxMessageSize: 100)
        #expect(text.utf8.count == 100)
        #expect(try read([Array(text.utf8)], &reader) == [text])
        #expect(throws: PheromoneReader.Violation.tooLarge(limit: 100)) {
            try read([Array(text.utf8.dropLast(2)) + Array("x\"}".utf8)], &reader)
        }
    }

    @Test func `a message that has begun is known to have`() throws {
        var reader = PheromoneReader(maxMessageSize: 100)
        #expect(!reader.isWithinMessage)
        _ = try read([Array("  {".utf8)], &reader)
        #expect(reader.isWithinMessage)
    }

    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func `any bytes in any pieces give the same messages`(_ seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let alphabet = Array(#"{}[]"\ x,"#.utf8)
        let bytes = (0..<300).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
        var pieces: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = min(rest.count, Int(random.next() % 9))
            pieces.append(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        var (one, other) = (
            PheromoneReader(maxMessageSize: 1000, maxGarbage: (1000, 1000)),
            PheromoneReader(maxMessageSize: 1000, maxGarbage: (1000, 1000))
        )
        #expect(try read([bytes], &one) == read(pieces, &other), "seed \(seed)")
        #expect(one.garbage == other.garbage, "seed \(seed)")
    }
}
