public import OmniwayTransport

/// What a watch tells.
public enum RegistryWatchEvent: Sendable, Equatable {
    /// This is all there is now; whatever was told before is forgotten. Changes after its revision follow.
    case reset(RegistryListing)
    /// Keys changed, in this order. What one transaction changed comes in one event.
    case changed([RegistryChange])
}

/// A watch that is under way, on the loop of its handler.
public final class RegistryWatch {
    public let keys: RegistryKeys
    let number: UInt64
    private weak var local: LocalRegistry?
    private let loop: Loop
    private let door: RegistryDoor
    private let announce: @Sendable () -> Void
    private var handler: ((RegistryWatchEvent) -> Void)?
    private var feed: RegistryFeed?
    private var failures = 0
    /// There may be much to read.
    private static let patience = Duration.seconds(60)
    private static let again = Reconnecting(first: .milliseconds(200), longest: .seconds(5))

    init(
        _ keys: RegistryKeys, _ number: UInt64, _ local: LocalRegistry,
        _ handler: @escaping (RegistryWatchEvent) -> Void, announce: @escaping @Sendable () -> Void
    ) {
        (self.keys, self.number, self.local, self.handler, self.announce) = (keys, number, local, handler, announce)
        (loop, door) = (local.loop, local.registry.door)
    }

    /// Nothing more is told.
    public func cancel() {
        handler = nil
        drop()
        local?.remove(self)
    }

    func start(from revision: Int64?) { if let revision { follow(from: max(1, revision)) } else { list() } }

    private func follow(from revision: Int64) {
        let feed = RegistryFeed(keys, from: revision, door.limits, announce: announce)
        self.feed = feed
        door.post(.follow(feed))
    }

    private func drop() {
        guard let feed = exchange(&feed, with: nil) else { return }
        feed.end()
        door.post(.unfollow(feed))
    }

    func takeNews() {
        guard let feed else { return }
        let (changes, isLost) = feed.take()
        if !changes.isEmpty {
            failures = 0  // Not before: what is lost again at once must not be read in a hurry.
            handler?(.changed(changes))
        }
        if isLost, self.feed === feed {
            drop()
            tryAgain()
        }
    }

    /// Not all watches of all programs at the same moment.
    private func tryAgain() {
        loop.after(Self.again.pause(after: failures, chance: loop.random.next()), self)
        failures += 1
    }

    /// The beginning, and again when changes are missing.
    private func list() {
        local?.list(.beginning(keys), within: max(door.limits.deadline, Self.patience)) { [weak self] result in
            guard let self, handler != nil else { return }
            switch result {
            case .success(let listing):
                // From the next revision on, before the handler may cancel.
                follow(from: listing.revision + 1)
                handler?(.reset(listing))
            case .failure(let error) where error.code == .closed: cancel()
            case .failure: tryAgain()
            }
        }
    }
}

extension RegistryWatch: TimerTarget {
    /// The store was away when it should have told what there is.
    public func timerFired(_ token: UInt64, on loop: Loop) { if handler != nil { list() } }
}
