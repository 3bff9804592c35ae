import Synchronization

/// Whether a node should get work: what a load balancer asks.
public final class Readiness: Sendable {
    /// The life of a node, as others see it.
    public enum State: Int, Sendable, CustomStringConvertible {
        case starting, ready, draining

        /// The word that the endpoint answers.
        public var description: String {
            switch self {
            case .starting: "starting"
            case .ready: "ready"
            case .draining: "draining"
            }
        }
    }

    private let current = Atomic<Int>(State.starting.rawValue)

    /// A node that is starting.
    public init() {}

    /// Any thread may ask and say.
    public var state: State {
        get { State(rawValue: current.load(ordering: .relaxed)) ?? .starting }
        set { current.store(newValue.rawValue, ordering: .relaxed) }
    }
}
