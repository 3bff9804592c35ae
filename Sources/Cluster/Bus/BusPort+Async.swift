public import OmniwayTransport

extension BusPort {
    /// The answer, for a task of the port's loop. A cancelled task hears of it no later than the deadline.
    public nonisolated(nonsending) func request(
        _ subject: String, _ payload: [UInt8], headers: BusHeaders = BusHeaders(), deadline: Duration = .seconds(5)
    ) async throws(BusError) -> BusResponse {
        try await withCheckedContinuation { waiter in
            request(subject, payload, headers: headers, deadline: deadline, waiter)
        }.get()
    }

    fileprivate func request(
        _ subject: String, _ payload: [UInt8], headers: BusHeaders, deadline: Duration,
        _ waiter: CheckedContinuation<Result<BusResponse, BusError>, Never>
    ) {
        request(subject, payload, headers: headers, deadline: deadline) { answer in
            switch answer {
            case .success(let message):
                waiter.resume(returning: .success(BusResponse(body: message.body, headers: message.headers)))
            case .failure(let error): waiter.resume(returning: .failure(error))
            }
        }
    }

    /// Returns when all that was published before has reached the bus.
    public nonisolated(nonsending) func flush() async throws(BusError) {
        let error = await withCheckedContinuation { waiter in flush { waiter.resume(returning: $0) } }
        if let error { throw error }
    }
}

/// The same from anywhere, by way of the port of a loop: for what is not on the path of packets.
extension Bus {
    /// Sends to all who have subscribed.
    public func publish(
        _ subject: String, _ payload: [UInt8], headers: BusHeaders = BusHeaders(), on home: EventLoop
    ) async throws(BusError) {
        let bus = self
        try await home.run { loop throws(BusError) in
            try bus.port(on: loop).publish(subject, payload, headers: headers)
        }
    }

    /// The answer, or an error that says why there is none.
    public func request(
        _ subject: String, _ payload: [UInt8], headers: BusHeaders = BusHeaders(),
        deadline: Duration = .seconds(5), on home: EventLoop
    ) async throws(BusError) -> BusResponse {
        let bus = self
        return try await withCheckedContinuation { waiter in
            Task {
                await home.run { loop in
                    bus.port(on: loop).request(subject, payload, headers: headers, deadline: deadline, waiter)
                }
            }
        }.get()
    }

    /// Returns when these loops are connected; throws when one is not within `limit`, and goes on trying all the same.
    public func ready(within limit: Duration = .seconds(10), on loops: [EventLoop]) async throws(BusError) {
        let bus = self
        for home in loops { _ = await home.run { bus.port(on: $0).state } }  // All begin at once.
        for home in loops {
            let error = await withCheckedContinuation { waiter in
                Task { await home.run { bus.port(on: $0).whenOpen(within: limit) { waiter.resume(returning: $0) } } }
            }
            if let error { throw error }
        }
    }

    /// Drains the ports of these loops, all at once.
    public func drain(within limit: Duration = .seconds(5), on loops: [EventLoop]) async {
        let bus = self
        await withTaskGroup { group in
            for home in loops {
                group.addTask {
                    await withCheckedContinuation { waiter in
                        Task { await home.run { bus.port(on: $0).drain(within: limit) { waiter.resume() } } }
                    }
                }
            }
        }
    }
}
