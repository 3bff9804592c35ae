import OmniwayTesting
import OmniwayWire
import Testing

/// One endpoint of a recording: what it was sent and what it sent, in that order.
struct EndpointRecording: Sendable, CustomTestStringConvertible {
    let file: String
    let dialect: GatewayDialect
    let peer: String
    var testDescription: String { "\(peer) of \(file)" }

    static let all = ["client", "server"].flatMap { peer in
        [
            EndpointRecording(file: "gateway-v1-endpoints", dialect: .v1, peer: peer),
            EndpointRecording(file: "gateway-v2-endpoints", dialect: .v2, peer: peer),
            EndpointRecording(file: "gateway-uniway-endpoints", dialect: .v2, peer: peer),
        ]
    }

    func steps() throws -> [(isSent: Bool, bytes: [UInt8])] {
        try Vector.load(file).filter { !$0.bytes.isEmpty && $0.direction.contains(peer) }.map {
            ($0.direction.hasPrefix(peer), $0.bytes)
        }
    }

    var codec: GatewayCodec { GatewayCodec(dialect) }
    var reader: EndpointReader { EndpointReader(codec, patience: 1024, hasLogin: peer == "server") }
}

extension EndpointReader {
    /// Everything that is in `bytes`, and how many of them were used.
    mutating func events(in bytes: [UInt8]) throws -> (events: [Event], used: Int) {
        var events: [Event] = []
        var used = 0
        try unsafe bytes.withUnsafeBytes { buffer in
            let span = unsafe RawSpan(_unsafeBytes: buffer)
            while let event = try next(in: span, from: &used) { events.append(event) }
        }
        return (events, used)
    }
}

/// An endpoint without a network. What it says by itself is owed; the rest is for the test to ask for.
private struct Replay {
    let codec: GatewayCodec
    var reader: EndpointReader
    var dialogue: EndpointDialogue
    var keepAlive = EndpointKeepAlive(interval: .seconds(1), timeout: .seconds(1), from: .zero)
    var now = Duration.zero
    var owed: [[UInt8]] = []
    var nextTag = 0
    var messages: [[UInt8]] = []

    init(_ recording: EndpointRecording) {
        codec = recording.codec
        reader = recording.reader
        dialogue = EndpointDialogue(recording.dialect, mostDials: 8, mostConnections: 8)
    }

    func bytes(_ command: GatewayCommand) -> [UInt8] {
        let frame = codec.bytes(of: command)
        return unsafe frame.span.withUnsafeBytes { unsafe Array($0) }
    }

    mutating func hear(_ heard: [UInt8]) throws {
        let (events, used) = try reader.events(in: heard)
        #expect(used == heard.count)
        for event in events {
            switch event {
            case .challenge(let range):
                owed.append(GatewayLogin.answer(to: Array(heard[range]), key: Array("gateway-key".utf8), as: 7))
            case .command(let command): perform(dialogue.receive(command))
            case .piece(let id, let range, let endsMessage):
                #expect(endsMessage && dialogue.tag(of: id) != nil)
                messages.append(Array(heard[range]))
            }
        }
    }

    private mutating func perform(_ action: EndpointDialogue.Action) {
        switch action {
        case .open, .refuse, .ignore: break
        case .accept(let id, _):
            dialogue.keep(id, as: nextTag)
            nextTag += 1
        case .end(_, let answer): if let answer { owed.append(bytes(answer)) }
        case .send(let command): owed.append(bytes(command))
        case .answered: keepAlive.answered()
        case .rejectGateway: Issue.record("the recorded gateway was rejected")
        }
    }

    /// What the recorded application asked for, done here.
    mutating func say(_ said: [UInt8], dialling remote: EndpointID?) throws -> [UInt8] {
        let span = try unsafe said.withUnsafeBytes { try unsafe codec.frame(in: RawSpan(_unsafeBytes: $0), at: 0) }
        let frame = try #require(span)
        let payload = Array(said[frame.payload])
        guard frame.isCommand else {
            #expect(dialogue.tag(of: frame.connection) != nil)
            let header = GatewayCodec.header(of: frame.connection, payload: payload.count)
            return header.indices.map { header[$0] } + payload
        }
        nextTag += 1
        let command = try unsafe payload.withUnsafeBytes { try unsafe codec.command(RawSpan(_unsafeBytes: $0)) }
        var answer: GatewayCommand?
        switch command {
        case .new: if let remote { answer = dialogue.dial(remote, for: nextTag) }
        case .dial(let remote, _): answer = dialogue.dial(remote, for: nextTag)
        case .close(let id): answer = dialogue.close(id)
        case .ping:
            now += .seconds(1)
            #expect(keepAlive.step(at: now) == .ping)
            answer = .ping
        case .open, .accept, .connect, .refuse: Issue.record("no endpoint says \(command)")
        }
        return bytes(try #require(answer))
    }
}

@Suite struct EndpointRecordingTests {
    @Test(arguments: EndpointRecording.all)
    func `an endpoint says what the original said`(_ recording: EndpointRecording) throws {
        var replay = Replay(recording)
        let steps = try recording.steps()
        #expect(steps.filter(\.isSent).count >= 5)
        for (index, step) in steps.enumerated() {
            guard step.isSent else {
                try replay.hear(step.bytes)
                continue
            }
            // In v1 an application knows whom it dials before that is said.
            let dialled = steps[index...].first { $0.isSent && $0.bytes.count == 17 && $0.bytes[8] == 2 }?.bytes
            let remote = dialled.map { EndpointID(littleEndian: $0[13..<17]) }
            let isOwed = !replay.owed.isEmpty
            let said = isOwed ? replay.owed.removeFirst() : try replay.say(step.bytes, dialling: remote)
            #expect(said == step.bytes, "step \(index)")
        }
        #expect(replay.owed.isEmpty)
        #expect(!replay.messages.isEmpty)
        #expect(replay.dialogue.connectionCount == 0 && replay.dialogue.dialCount == 0)
    }

    @Test(arguments: EndpointRecording.all)
    func `what arrives means the same however it was cut`(_ recording: EndpointRecording) throws {
        let bytes = try recording.steps().filter { !$0.isSent }.flatMap(\.bytes)
        var whole = recording.reader
        let (events, _) = try whole.events(in: bytes)
        for cut in bytes.indices {
            var reader = recording.reader
            let (first, used) = try reader.events(in: Array(bytes[..<cut]))
            let (rest, _) = try reader.events(in: Array(bytes[used...]))
            #expect(first + rest.map { $0.moved(by: used) } == events, "cut at \(cut)")
        }
        var reader = recording.reader
        var (waiting, begin, found): ([UInt8], Int, [EndpointReader.Event]) = ([], 0, [])
        for byte in bytes {
            waiting.append(byte)
            let (some, used) = try reader.events(in: waiting)
            found += some.map { $0.moved(by: begin) }
            begin += used
            waiting.removeFirst(used)
        }
        #expect(found == events)
    }
}

extension EndpointReader.Event {
    fileprivate func moved(by offset: Int) -> Self {
        switch self {
        case .challenge(let range): .challenge(range.lowerBound + offset..<range.upperBound + offset)
        case .command: self
        case .piece(let id, let range, let ends):
            .piece(id, range.lowerBound + offset..<range.upperBound + offset, endsMessage: ends)
        }
    }
}

extension EndpointID {
    fileprivate init(littleEndian bytes: ArraySlice<UInt8>) {
        self.init(rawValue: bytes.reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
}
