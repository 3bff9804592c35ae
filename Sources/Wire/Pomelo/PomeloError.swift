package import OmniwayCrypto

/// What is wrong with what a peer sent, or with what we were asked to send. From a peer, it costs the peer its
/// connection.
package enum PomeloError: Error, Equatable, Sendable, CustomStringConvertible {
    case unknownPacketType(UInt8)
    case packetTooLarge(bytes: Int, limit: Int)
    /// A message of a link that keeps messages is not one packet exactly.
    case notOnePacket(bytes: Int)
    /// A packet that has no place where the connection is.
    case outOfTurn(PomeloPacket.Kind, when: String)
    case handshakeTooSlow
    case handshakeRefused(code: Int)
    case malformedJSON(JSON.ReadError)
    /// A field of a JSON object holds something else than the protocol says.
    case wrongField(String, JSON.Mismatch)
    case malformedDictionary(PomeloDictionary.Fault)
    case unknownMessageType(UInt8)
    case messageCut(PomeloMessage.Part, bytes: Int)
    case idTooLarge
    /// A request from a server, or an answer from a client.
    case wrongWay(PomeloMessage.Kind)
    case unknownRouteCode(UInt16)
    case routeTooLong(bytes: Int)
    case malformedBody(DeflateError)
    /// What a codec of the application's own says.
    case ownCodec(String)

    package var description: String {
        switch self {
        case .unknownPacketType(let type):
            "a packet of type \(type); there are 1 to 5, so the peer speaks another protocol"
        case .packetTooLarge(let bytes, let limit):
            "a packet with \(bytes) bytes of body is above the limit of \(limit); send less or raise the limit"
        case .notOnePacket(let bytes):
            "a message of \(bytes) bytes is not exactly one packet; over WebSocket send each packet as one message"
        case .outOfTurn(let kind, let when):
            "a packet \(kind) came \(when); begin with handshake, answer and ack"
        case .handshakeTooSlow: "the handshake was not done in time; send it and its ack right after connecting"
        case .handshakeRefused(let code): "the server refused the handshake with code \(code); see the server's log"
        case .malformedJSON(let error): "the JSON is malformed at \(error)"
        case .wrongField(let field, let error): "\(field.isEmpty ? "the JSON" : field): \(error)"
        case .malformedDictionary(let fault): "the handshake's dictionary: \(fault)"
        case .unknownMessageType(let type): "a message of type \(type); there are 0 to 3"
        case .messageCut(let part, let bytes): "a message of \(bytes) bytes ends within its \(part.rawValue)"
        case .idTooLarge: "the id of a message does not fit into 64 bits in 10 bytes"
        case .wrongWay(let kind): "a \(kind) does not go this way; clients send requests and notifies, servers the rest"
        case .unknownRouteCode(let code):
            "the route code \(code) is not in the dictionary; use the one of the handshake's answer"
        case .routeTooLong(let bytes): "a route of \(bytes) bytes; it may have 255, or a code in the dictionary"
        case .ownCodec(let text): "the app's packet codec: \(text)"
        case .malformedBody(let error): "the body of a message is malformed: \(error)"
        }
    }
}
