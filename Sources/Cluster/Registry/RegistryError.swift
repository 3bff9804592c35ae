/// Why a registry has not done what it was asked.
public struct RegistryError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Code: String, Sendable, CaseIterable {
        /// The store cannot be reached, or cannot work now. Nothing was done; try again later.
        case unavailable
        /// There was no answer in time. What was asked may have been done, or be done yet.
        case timedOut = "timed-out"
        /// The connection was lost before the answer. What was asked may have been done.
        case interrupted
        /// The condition did not hold; nothing was done.
        case compareFailed = "compare-failed"
        /// The store knows the caller and says no, or does not know it.
        case refused
        /// The request is larger than a request may be; ask for less at once.
        case tooLarge = "too-large"
        /// The request contradicts itself, such as two puts of one key.
        case invalid
        /// The lease has ended, and whatever is put under it would end at once.
        case leaseLost = "lease-lost"
        /// As many requests are under way as may be; slow down.
        case overloaded
        /// The store has no room left.
        case full
        /// That revision is no longer known.
        case compacted
        /// What the store has kept cannot be read.
        case damaged
        /// The registry was closed.
        case closed
    }

    public let code: Code
    /// What happened, with which value, and what to do.
    public let detail: String

    public init(_ code: Code, _ detail: String) { (self.code, self.detail) = (code, detail) }

    public var description: String { "\(code.rawValue): \(detail)" }

    /// It says something about the store, and not only about the request.
    var isTrouble: Bool {
        switch code {
        case .unavailable, .timedOut, .interrupted, .full, .damaged: true
        case .compareFailed, .refused, .tooLarge, .invalid, .leaseLost, .overloaded, .compacted, .closed: false
        }
    }

    static let late = RegistryError(.timedOut, "no answer in time; try again later")
    static let closed = RegistryError(.closed, "the registry was closed")
}

/// Whether a registry can do its work. It becomes good by itself when the store is back.
public enum RegistryHealth: Sendable, Equatable {
    case good
    /// The last that was heard of the store.
    case degraded(RegistryError)
}
