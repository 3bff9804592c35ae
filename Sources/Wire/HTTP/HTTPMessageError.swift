/// What is wrong with a message that came from a peer. After one of these the connection cannot go on: where the next
/// message begins is not known.
public enum HTTPMessageError: Error, Equatable, Sendable {
    // Lines
    case bareLineFeed
    case controlByte(UInt8)
    // The start line
    case malformedRequestLine
    case malformedStatusLine
    case malformedTarget
    case zeroInPath
    case targetDoesNotSuitMethod(String)
    case targetTooLong(limit: Int)
    case malformedVersion
    case unsupportedVersion(String)
    // Fields
    case missingColon
    case emptyFieldName
    case malformedFieldName
    case blankBeforeColon
    case foldedLine
    case headTooLarge(limit: Int)
    case tooManyFields(limit: Int)
    case missingHost
    case repeatedHost
    case malformedHost
    case hostDiffersFromTarget
    case unknownExpectation(String)
    // Where the body ends
    case malformedContentLength(String)
    case repeatedContentLength
    case contentLengthAndTransferEncoding
    case malformedTransferEncoding(String)
    case unknownTransferEncoding(String)
    case transferEncodingInHTTP10
    case bodyInConnect
    case bodyTooLarge(limit: Int)
    // Chunks
    case malformedChunkSize
    case chunkLineTooLong(limit: Int)
    case missingChunkEnd
    case trailersTooLarge(limit: Int)
    case forbiddenTrailer(String)
    // The end
    case cutOff
    case tooManyInformational(limit: Int)

    /// How a server answers. A client has no use for it.
    public var status: HTTPStatus {
        switch self {
        case .targetTooLong: .targetTooLong
        case .headTooLarge, .tooManyFields, .trailersTooLarge: .headersTooLarge
        case .bodyTooLarge: .contentTooLarge
        case .unknownExpectation: .expectationFailed
        case .unknownTransferEncoding: .notImplemented
        case .unsupportedVersion: .versionNotSupported
        case .bareLineFeed, .controlByte, .malformedRequestLine, .malformedStatusLine, .malformedTarget,
            .zeroInPath, .targetDoesNotSuitMethod, .malformedVersion, .missingColon, .emptyFieldName,
            .malformedFieldName, .blankBeforeColon, .foldedLine, .missingHost, .repeatedHost, .malformedHost,
            .hostDiffersFromTarget, .malformedContentLength, .repeatedContentLength, .contentLengthAndTransferEncoding,
            .malformedTransferEncoding, .transferEncodingInHTTP10, .bodyInConnect, .malformedChunkSize,
            .chunkLineTooLong, .missingChunkEnd, .forbiddenTrailer, .cutOff, .tooManyInformational:
            .badRequest
        }
    }
}

extension HTTPMessageError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .bareLineFeed: "a line ends with a line feed alone; end lines with CR LF"
        case .controlByte(let byte): "a head contains the control byte \(byte); encode it, or leave it out"
        case .malformedRequestLine: "the request line is not `METHOD target HTTP/1.1` with single spaces"
        case .malformedStatusLine: "the status line is not `HTTP/1.1 200 reason`; is this an HTTP server?"
        case .malformedTarget: "the target contains a byte that a URI cannot have; percent-encode it"
        case .zeroInPath: "the path contains %00; no name may have a zero byte, so leave it out"
        case .targetDoesNotSuitMethod(let method):
            "the form of the target does not suit \(method): CONNECT takes host:port, OPTIONS may take *, others a path"
        case .targetTooLong(let limit): "the target is longer than \(limit) bytes; send less in the URI"
        case .malformedVersion: "the version is not written like HTTP/1.1"
        case .unsupportedVersion(let version): "\(version) is not spoken here; use HTTP/1.1"
        case .missingColon: "a field line has no colon"
        case .emptyFieldName: "a field has no name before its colon"
        case .malformedFieldName: "a field name contains a byte that names cannot have"
        case .blankBeforeColon: "there is a blank between a field name and its colon; remove it"
        case .foldedLine: "a field goes on in the next line, which is obsolete; write it in one line"
        case .headTooLarge(let limit): "the head is larger than \(limit) bytes; send fewer or shorter fields"
        case .tooManyFields(let limit): "there are more than \(limit) fields; send fewer"
        case .missingHost: "a request of HTTP/1.1 has no Host field; add one"
        case .repeatedHost: "there are several Host fields; send one"
        case .malformedHost: "the Host field is not host or host:port"
        case .hostDiffersFromTarget: "Host differs from the host in the target; send the same"
        case .unknownExpectation(let value): "cannot do what Expect demands: \(value); only 100-continue is known"
        case .malformedContentLength(let value): "Content-Length \"\(value)\" is not one number of digits"
        case .repeatedContentLength: "there are several Content-Length fields; send one"
        case .contentLengthAndTransferEncoding: "there are both Content-Length and Transfer-Encoding; send one of them"
        case .malformedTransferEncoding(let value): "Transfer-Encoding \"\(value)\" does not end in one chunked"
        case .unknownTransferEncoding(let value): "Transfer-Encoding \"\(value)\" is not known; only chunked is"
        case .transferEncodingInHTTP10: "a message of HTTP/1.0 has a Transfer-Encoding; use HTTP/1.1"
        case .bodyInConnect: "a CONNECT request announces a body; it cannot have one"
        case .bodyTooLarge(let limit): "the body is larger than \(limit) bytes; send less, or in several requests"
        case .malformedChunkSize: "a chunk does not begin with its size in hexadecimal digits"
        case .chunkLineTooLong(let limit):
            "the line in front of a chunk, or the extensions of a body, are longer than \(limit) bytes"
        case .missingChunkEnd: "a chunk is not followed by CR LF: it is longer or shorter than its size says"
        case .trailersTooLarge(let limit): "the trailers are larger than \(limit) bytes; send fewer"
        case .forbiddenTrailer(let name): "\(name) stands behind the body, where it means nothing; put it into the head"
        case .tooManyInformational(let limit): "more than \(limit) informational responses came before the final one"
        case .cutOff: "the connection ended within a message"
        }
    }
}
