import OmniwayTransport

/// Who moves the messages of one port: within the process, or through a server. It calls the port's `deliver`,
/// `flushed`, `becomes` and `lost`, always on the port's loop and never from within a call of the port.
protocol BusDriver: AnyObject {
    /// Most bytes of headers and payload that go into one message.
    var maxPayload: Int { get }

    func start(for port: BusPort)

    /// The port is usable, and the size has been checked. An empty reply is none, and so are empty headers.
    func publish(_ subject: RawSpan, reply: RawSpan, headers: RawSpan, payload: RawSpan) throws(BusError)

    /// Also while the bus is away: the driver asks the port for all its subscriptions when it is back.
    func subscribe(_ subject: String, group: String?, sid: UInt64)
    func unsubscribe(_ sid: UInt64)

    /// Answered by `flushed` when everything before has reached the bus, and all that it had for this port has come.
    func flush(_ number: UInt64)

    /// The port has been closed. What was published before still goes out.
    func close()
}
