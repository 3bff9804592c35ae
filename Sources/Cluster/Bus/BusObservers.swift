/// Who hears of a port's states.
public struct BusObserver: Sendable, Equatable {
    let number: UInt64
}

/// Those who want to hear of a port's states: a loop has one port for all that runs there.
struct BusObservers {
    private var all: [(observer: BusObserver, changed: (BusState) -> Void)] = []
    private var last: UInt64 = 0

    mutating func add(_ changed: @escaping (BusState) -> Void) -> BusObserver {
        last += 1
        let observer = BusObserver(number: last)
        all.append((observer, changed))
        return observer
    }

    mutating func remove(_ observer: BusObserver) { all.removeAll { $0.observer == observer } }

    /// Those of now, in the order in which they came.
    var observers: [BusObserver] { all.map(\.observer) }
    func find(_ observer: BusObserver) -> ((BusState) -> Void)? { all.first { $0.observer == observer }?.changed }
}
