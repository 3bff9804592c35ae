package import OmniwayCrypto

/// What a server answers to a handshake. The refusal says the same, with another code.
package struct PomeloHandshakeAnswer: Equatable, Sendable {
    package static let accepted = 200
    package static let refused = 400
    /// Longer ones are a fault of the server; no heartbeat is missed by anybody for so long.
    package static let longestHeartbeat = Duration.seconds(86_400)

    package var code: Int
    /// Zero for none.
    package var heartbeat: Duration
    package var dictionary: PomeloDictionary
    /// The name of what bodies are written in.
    package var serializer: String

    package init(
        code: Int = accepted, heartbeat: Duration, dictionary: PomeloDictionary = PomeloDictionary(),
        serializer: String = "json"
    ) {
        (self.code, self.heartbeat) = (code, heartbeat)
        (self.dictionary, self.serializer) = (dictionary, serializer)
    }

    package var json: [UInt8] {
        var bytes: [UInt8] = []
        JSON.Writer(escaping: .go).writeObject(to: &bytes) {
            $0.member("code", code)
            $0.object("sys") {
                $0.object("dict") { for (route, code) in dictionary.pairs { $0.member(route, Int(code)) } }
                $0.member("heartbeat", heartbeat.inSeconds)
                $0.member("serializer", serializer)
            }
        }
        return bytes
    }

    /// The body of a packet. With a pool it is a zlib stream where that is shorter, and nothing says so.
    package func body(compressedBy pool: DeflatePool?) -> [UInt8] {
        let json = json
        // Safe because bytes have no padding.
        return pool?.deflated(unsafe json.span.bytes, .zlib) ?? json
    }

    /// Reads the body of a server's packet, compressed or not. What is missing is zero or empty; an answer without a
    /// code refuses.
    package init(_ body: RawSpan, limits: JSON.Reader.Limits, by pool: DeflatePool) throws(PomeloError) {
        guard let format = Self.compression(of: body) else {
            try self.init(json: body, limits)
            return
        }
        let json: [UInt8]
        do throws(DeflateError) {
            json = try pool.inflated(body, format, atMost: limits.bytes)
        } catch {
            throw .malformedBody(error)
        }
        try self.init(json: unsafe json.span.bytes, limits)  // Safe because bytes have no padding.
    }

    private init(json: RawSpan, _ limits: JSON.Reader.Limits) throws(PomeloError) {
        let fields = try PomeloFields(json, limits: limits)
        let sys = try fields.fields("sys")
        self.init(
            code: try fields.int("code") ?? 0, heartbeat: try Self.heartbeat(try sys.double("heartbeat") ?? 0),
            dictionary: try Self.dictionary(
                try sys.each(in: "dict") { value throws(JSON.Mismatch) in
                    UInt16(try value.int(in: 0...Int(UInt16.max)))
                }),
            serializer: try sys.string("serializer"))
    }

    /// By the first bytes, with which no JSON begins.
    private static func compression(of body: RawSpan) -> DeflateFormat? {
        guard body.byteCount > 2 else { return nil }
        return switch (body.byte(0), body.byte(1)) {
        case (0x78, 0x01), (0x78, 0x5e), (0x78, 0x9c), (0x78, 0xda): .zlib
        case (0x1f, 0x8b): .gzip
        default: nil
        }
    }

    private static func heartbeat(_ seconds: Double) throws(PomeloError) -> Duration {
        guard (0...longestHeartbeat.inSeconds).contains(seconds) else {
            let expected = "a number of seconds from 0 to \(longestHeartbeat.components.seconds)"
            throw .wrongField("sys.heartbeat", .number(JSON.Number(seconds), expected: expected))
        }
        return .seconds(seconds)
    }

    private static func dictionary(_ pairs: [(key: String, value: UInt16)]) throws(PomeloError) -> PomeloDictionary {
        do throws(PomeloDictionary.Fault) {
            return try PomeloDictionary(pairs.map { ($0.key, $0.value) })
        } catch {
            throw .malformedDictionary(error)
        }
    }
}

extension Duration {
    /// As Go turns a duration into a number of seconds.
    fileprivate var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds / 1_000_000_000) / 1e9
    }
}
