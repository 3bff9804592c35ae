import OmniwayCrypto

/// The first thing on every connection of a carrier: one byte, and a frame that says what the connection is for.
package struct CarrierHello: Equatable, Sendable {
    package enum Kind: String, Sendable {
        /// Frames of the invoker, and nothing else.
        case command = "Command"
        /// Streams.
        case data = "Data"
        /// Waits for one stream, whose bytes it carries as they are.
        case bulk = "Bulk"
    }

    package var kind: Kind
    /// The dialler's id; empty for a client that has none yet.
    package var terminal: String
    /// Of all but command connections: the id of the command connection that they belong to.
    package var session: String

    package init(_ kind: Kind, terminal: String, session: String = "") {
        (self.kind, self.terminal, self.session) = (kind, terminal, session)
    }

    package static let opener: UInt8 = 0x58
    package static let path = "/_zhangyu/transport"
    package static let version = 1

    package enum Header {
        package static let terminal = "Zhangyu-Connection-TerminalId"
        package static let kind = "Zhangyu-Connection-Type"
        package static let session = "Zhangyu-Connection-Session"
        package static let proof = "Zhangyu-Connection-Proof"
    }

    /// What stands at these paths is the carrier's own.
    package enum Path {
        /// To the dialler: the id of the connection.
        package static let id = "/client/connection/id"
        /// From the dialler: that it belongs to its session.
        package static let proof = "/client/connection/proof"
        /// From the dialler, on a command connection: the connections of the one before it are its own.
        package static let resume = "/client/connection/resume"
    }

    package func write(to bytes: inout [UInt8], _ codec: InvokeCodec) throws(InvokeError) {
        bytes.append(Self.opener)
        try codec.writeFrame(to: &bytes) { hello in
            hello.member("path", Self.path)
            hello.object("headers") { headers in
                headers.member(Header.terminal, terminal)
                headers.member(Header.kind, kind.rawValue)
                if !session.isEmpty { headers.member(Header.session, session) }
            }
            hello.member("version", Self.version)
            hello.array("features") { features in
                features.element("mux1")
                features.element("bulk")
            }
        }
    }

    /// The hello at the start of `bytes`, and where it ends; nil until more arrives.
    package static func read(
        _ bytes: RawSpan, _ codec: InvokeCodec
    ) throws(InvokeError) -> (hello: CarrierHello, end: Int)? {
        guard bytes.byteCount > 0 else { return nil }
        guard bytes.byte(0) == opener else { throw .malformed("a connection begins with byte \(bytes.byte(0))") }
        guard let range = try codec.frame(in: bytes, at: 1) else { return nil }
        let object = try codec.object(bytes.extracting(range))
        guard case .string(path)? = object["path"] else { throw .malformed("its path is not \(path)") }
        guard case .object(let members)? = object["headers"] else { throw .malformed("it has no headers") }
        let version = (try? object["version"]?.int()) ?? 0
        guard version >= 1 else { throw .malformed("it speaks version \(version); this is \(Self.version)") }
        let headers = try InvokeCodec.headers(members)
        guard let kind = Kind(rawValue: headers[Header.kind] ?? "") else {
            throw .malformed("its type is none of Command, Data and Bulk")
        }
        let session = headers[Header.session] ?? ""
        guard (kind == .command) == session.isEmpty else {
            throw .malformed("a \(kind.rawValue) connection and its session do not fit")
        }
        return (CarrierHello(kind, terminal: headers[Header.terminal] ?? "", session: session), range.upperBound)
    }

    /// What only who has the session's key can say of a connection. Its id is new for each, so what was said of one is
    /// worth nothing for another.
    package static func proof(_ kind: String, connection: String, session: String, key: [UInt8]) -> String {
        let code = HMAC.sha256(Array("\(kind)\n\(connection)\n\(session)".utf8), key: key)
        return code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Whether that was said; it takes the same time for every wrong guess.
    package static func isProof(
        _ proof: String, _ kind: String, connection: String, session: String, key: [UInt8]
    ) -> Bool {
        let expected = self.proof(kind, connection: connection, session: session, key: key)
        return !key.isEmpty && HMAC.isEqual(Array(proof.utf8), Array(expected.utf8))
    }
}
