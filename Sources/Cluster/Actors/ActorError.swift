public import Distributed

/// Why a call of an actor elsewhere gave no result, or an actor is not hosted.
public struct ActorError: DistributedActorSystemError, Equatable, CustomStringConvertible {
    /// A word that stays the same, for counters and for those who decide by it.
    public enum Code: String, Sendable, CaseIterable {
        /// Nobody hosts the actor.
        case noHost = "no-host"
        /// The name is another host's.
        case taken
        /// No answer in time. The call may have been carried out, or be carried out yet.
        case timedOut = "timed-out"
        /// The time of whoever wants it was over before it was sent.
        case noTime = "no-time"
        /// There is no connection to the bus; nothing was sent.
        case busAway = "bus-away"
        /// The bus was lost before the answer came: the call may have been carried out.
        case busLost = "bus-lost"
        /// The bus did not take the call, for another reason.
        case bus
        /// Who hosts the actor could not be asked.
        case registryAway = "registry-away"
        /// The lease of this host is lost: what it hosts may be another's now.
        case leaseLost = "lease-lost"
        /// As many calls or actors as may be.
        case overloaded
        /// The arguments, or the result, are larger than may be. A result that is too large was computed.
        case tooLarge = "too-large"
        /// The host does not know the method, or cannot read the arguments: the two programs are not of one version.
        case refused
        /// The method was carried out and threw an error that could not be passed on as it is.
        case failed
        /// The answer could not be read. The call was carried out.
        case unreadable
        /// A mistake in the program: a name, a generic method.
        case invalid
        /// `leave()` was called, or the loop has ended.
        case closed
    }

    public let code: Code
    /// What happened, with which value, and what to do.
    public let detail: String

    public init(_ code: Code, _ detail: String) { (self.code, self.detail) = (code, detail) }

    public var description: String { "\(code.rawValue): \(detail)" }

    /// False when it is certain that the method has not run, so that calling again cannot do it twice.
    public var mayHaveRun: Bool {
        switch code {
        case .timedOut, .busLost, .tooLarge, .failed, .unreadable, .closed: true
        case .noHost, .noTime, .taken, .busAway, .bus, .registryAway, .leaseLost, .overloaded, .refused, .invalid: false
        }
    }

    init(_ error: BusError) {
        let code: Code =
            switch error {
            case .noResponders: .noHost
            case .timedOut: .timedOut
            case .away: .busAway
            case .connectionLost: .busLost
            case .tooLarge: .tooLarge
            case .full, .tooManyRequests: .overloaded
            case .closed: .closed
            case .badSubject, .badHeaders, .noHeaders, .tooManySubscriptions, .configuration, .cancelled: .bus
            }
        self.init(code, "\(error)")
    }

    init(_ error: RegistryError) {
        self.init(error.code == .leaseLost ? .leaseLost : .registryAway, "the registry: \(error)")
    }

    static let closed = ActorError(.closed, "the system was left, or its loop has ended or is far behind")
}
