import OmniwayTelemetry

/// What the actor systems of a loop have done.
final class ActorCounters {
    let actors, waiting, running: Gauge
    let evictions, nonsense, unsent: Counter
    let duration: Histogram
    private let calls, runs: [String: Counter]

    init(_ meters: Meters) {
        let outcomes = ["returned", "threw", "cancelled"] + ActorError.Code.allCases.map(\.rawValue)
        func counters(_ name: String, _ help: String) -> [String: Counter] {
            Dictionary(
                uniqueKeysWithValues: outcomes.map { ($0, meters.counter(name, help, labels: [("outcome", $0)])) })
        }
        calls = counters("omniway_actor_calls_total", "Calls of actors elsewhere that ended, by outcome.")
        runs = counters("omniway_actor_runs_total", "Calls from elsewhere that were answered, by outcome.")
        duration = meters.histogram("omniway_actor_call_seconds", "How long calls of actors elsewhere took.")
        actors = meters.gauge("omniway_actor_hosted", "Actors that are hosted here.")
        waiting = meters.gauge("omniway_actor_calls", "Calls of actors elsewhere that wait for answers.")
        running = meters.gauge("omniway_actor_runs", "Calls from elsewhere that are under way.")
        evictions = meters.counter(
            "omniway_actor_evictions_total", "Actors that became another host's while this one was cut off.")
        nonsense = meters.counter("omniway_actor_nonsense_total", "Messages for this host that were no calls.")
        unsent = meters.counter("omniway_actor_unsent_total", "Answers that the bus did not take.")
    }

    func called(_ outcome: String) { calls[outcome]?.add(1) }
    func ran(_ answer: ActorAnswer) { runs[answer.outcome]?.add(1) }
}

extension ActorAnswer {
    /// A word for counters.
    var outcome: String {
        switch self {
        case .returned: "returned"
        case .threw: "threw"
        case .failed(let error): error.code.rawValue
        }
    }
}
