import OmniwayWire

/// What a decoder made of bytes that came in pieces.
struct HTTPTranscript: Equatable {
    enum Entry: Equatable {
        case request(HTTPRequestHead)
        case response(HTTPResponseHead)
        case body([UInt8])
        case end
        case error(HTTPMessageError)
    }

    private(set) var entries: [Entry] = []
    private(set) var unread: [UInt8] = []

    init(requests pieces: [[UInt8]], limits: HTTPLimits = HTTPLimits()) {
        var decoder = HTTPRequestDecoder(limits: limits)
        for piece in pieces where error == nil {
            feed(piece) { bytes, offset throws(HTTPMessageError) in
                let part = try decoder.next(bytes, &offset)
                return (part, part == .head ? .request(decoder.head) : nil)
            }
        }
    }

    init(responsesTo methods: [HTTPMethod], pieces: [[UInt8]], limits: HTTPLimits = HTTPLimits(), ends: Bool = false) {
        var decoder = HTTPResponseDecoder(limits: limits)
        var methods = methods[...]
        decoder.expect(answerTo: methods.popFirst() ?? .get)
        for piece in pieces where error == nil {
            feed(piece) { bytes, offset throws(HTTPMessageError) in
                let part = try decoder.next(bytes, &offset)
                if part == .end, let next = methods.popFirst() { decoder.expect(answerTo: next) }
                return (part, part == .head ? .response(decoder.head) : nil)
            }
        }
        guard ends, error == nil else { return }
        do throws(HTTPMessageError) {
            if let part = try decoder.finish() { note(part, nil, RawSpan()) }
        } catch { entries.append(.error(error)) }
    }

    var error: HTTPMessageError? { if case .error(let error)? = entries.last { error } else { nil } }
    var requests: [HTTPRequestHead] { entries.compactMap { if case .request(let head) = $0 { head } else { nil } } }
    var responses: [HTTPResponseHead] { entries.compactMap { if case .response(let head) = $0 { head } else { nil } } }
    var bodies: [String] {
        entries.compactMap { if case .body(let bytes) = $0 { String(decoding: bytes, as: UTF8.self) } else { nil } }
    }
    var ends: Int { entries.count { $0 == .end } }

    private mutating func feed(
        _ piece: [UInt8],
        _ next: (RawSpan, inout Int) throws(HTTPMessageError) -> (HTTPPart?, Entry?)
    ) {
        unread += piece
        let bytes = unread
        var offset = 0
        unsafe bytes.withUnsafeBytes { raw in
            let span = unsafe RawSpan(_unsafeBytes: raw)
            do throws(HTTPMessageError) {
                while case (let part?, let head) = try next(span, &offset) { note(part, head, span) }
            } catch { entries.append(.error(error)) }
        }
        unread.removeFirst(offset)
    }

    private mutating func note(_ part: HTTPPart, _ head: Entry?, _ bytes: RawSpan) {
        switch part {
        case .head: if let head { entries.append(head) }
        case .end: entries.append(.end)
        case .body(let range):
            var body: [UInt8] = []
            if case .body(let before)? = entries.last { body = before }
            unsafe bytes.extracting(range).withUnsafeBytes { unsafe body.append(contentsOf: $0) }
            if case .body? = entries.last { entries.removeLast() }
            entries.append(.body(body))
        }
    }
}

extension [UInt8] {
    /// In two pieces, at every place.
    var cuts: [[[UInt8]]] { indices.map { [Array(self[..<$0]), Array(self[$0...])] } }
    var singles: [[UInt8]] { map { [$0] } }
}
