/// Why a peer does not do what it was asked for. The numbers are those of the original library.
public enum MeshError: Error, Equatable, Sendable, CustomStringConvertible {
    /// 1001: nobody answered in time.
    case timedOut(String)
    /// 2001: an address is empty, or a route that is to be deleted is not there.
    case endpointEmpty(String)
    /// 2002: this name has this address already.
    case endpointExists(String)
    /// 2003: a route of the other kind, such as one by address where connections are kept.
    case wrongEndpoint(String)
    /// 2004: the peer cannot be connected to.
    case unreachable(String)
    /// 3003: for handlers of applications; nothing here throws it.
    case unknownProtocol(String)
    /// 3101: not a message.
    case malformedMessage(String)
    /// 3102: a greeting whose `data` is none. The original has 3202 for it.
    case malformedGreeting(String)
    /// 4001: nobody is known by this name.
    case unknownPeer(String)
    /// The original reads 10,240 bytes at most and would lose the message.
    case messageTooLarge(bytes: Int)
    /// As many messages wait for their turn as may.
    case queueFull(Int)
    /// As many peers are known as may be.
    case tooManyRoutes(Int)
    /// The peer was closed, or its loop has ended.
    case closed

    /// What the original calls it; nil for what it does not have.
    public var number: Int? {
        switch self {
        case .timedOut: 1001
        case .endpointEmpty: 2001
        case .endpointExists: 2002
        case .wrongEndpoint: 2003
        case .unreachable: 2004
        case .unknownProtocol: 3003
        case .malformedMessage: 3101
        case .malformedGreeting: 3102
        case .unknownPeer: 4001
        case .messageTooLarge, .queueFull, .tooManyRoutes, .closed: nil
        }
    }

    /// The error with a number of the original, for logs that carry such numbers. 3202 is another number of 3102.
    public init?(number: Int, _ text: String = "") {
        switch number {
        case 1001: self = .timedOut(text)
        case 2001: self = .endpointEmpty(text)
        case 2002: self = .endpointExists(text)
        case 2003: self = .wrongEndpoint(text)
        case 2004: self = .unreachable(text)
        case 3003: self = .unknownProtocol(text)
        case 3101: self = .malformedMessage(text)
        case 3102, 3202: self = .malformedGreeting(text)
        case 4001: self = .unknownPeer(text)
        default: return nil
        }
    }

    public var description: String {
        let number = number.map { " (\($0))" } ?? ""
        switch self {
        case .timedOut(let peer): return "no answer from \(peer) in time\(number); ask again, or raise the timeout"
        case .endpointEmpty(let text): return "\(text)\(number); give the address of a peer, or add it first"
        case .endpointExists(let text): return "\(text)\(number); nothing was changed"
        case .wrongEndpoint(let text): return "\(text)\(number)"
        case .unreachable(let text): return "cannot connect to \(text)\(number); does it listen there?"
        case .unknownProtocol(let text): return "not a protocol of this peer\(number): \(text)"
        case .malformedMessage(let text): return "not a message\(number): \(text)"
        case .malformedGreeting(let text): return "not a greeting\(number): \(text)"
        case .unknownPeer(let name): return "no peer is known by the name '\(name)'\(number); add it first"
        case .messageTooLarge(let bytes):
            return "a message of \(bytes) bytes; peers read \(PheromoneMessage.largest) at most, so send it in parts"
        case .queueFull(let count): return "\(count) messages wait for their turn already; wait for answers"
        case .tooManyRoutes(let count): return "\(count) peers are known already; delete some, or raise maxRoutes"
        case .closed: return "this peer was closed; make another one"
        }
    }
}
