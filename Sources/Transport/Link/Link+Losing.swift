/// For protocols whose stream goes on over another link when this one is lost.
extension Link {
    /// Keeps what would be lost with this link to about so many bytes: half of them wait here, half are on their way
    /// below. What has reached the other end's system is not counted.
    public func limitUnconfirmed(to bytes: Int) {
        var limits = limits
        limits.high = min(limits.high, bytes / 2)
        limits.low = min(limits.low, bytes / 4)
        self.limits = limits
        driver.limitUnconfirmed(to: bytes / 2, for: self)
    }

    /// Delivers what has arrived below already, before the link is given up.
    public func drain() { if state == .open { driver.drain(self) } }
}

/// A driver that sits on another link.
protocol CarriedDriver: LinkDriver {
    var carrier: Link? { get }
}
