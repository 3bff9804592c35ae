import OmniwayTransport
import OmniwayWire

/// One visitor who says what it wants to reach, at the client through which that is reached: names mean what they mean
/// here.
final class SocksTrip: LinkHandler {
    private let client: TunnelClient
    private let login: TunnelLogin?
    private var dialogue: SocksServer
    private var stream: Link?
    private var timer: TimerID?
    private static let patience = Duration.seconds(30)

    static func begin(_ rule: TunnelRule, _ headers: InvokeHeaders, for client: TunnelClient) {
        let trip = SocksTrip(rule.options.login, client)
        guard let stream = client.carrier.peer.dial(handler: trip) else { return }
        stream.write(StreamGreeting.bytes(TunnelNode.Path.go, headers: headers, on: client.loop))
        trip.stream = stream
        trip.timer = client.loop.after(patience, trip)
    }

    private init(_ login: TunnelLogin?, _ client: TunnelClient) {
        (self.login, self.client) = (login, client)
        dialogue = SocksServer(asksPassword: login != nil)
    }

    func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int {
        var offset = 0
        do throws(SocksError) {
            while stream != nil, let step = try dialogue.next(bytes, &offset) {
                switch step {
                case .answer(let answer): link.write(answer)
                case .credentials(let user, let password):
                    let isRight = login?.admits(user: user, password: password) ?? false
                    if isRight { link.write(dialogue.decide(true)) } else { end(dialogue.decide(false)) }
                case .refuse(let answer): end(answer)
                case .request(let request):
                    link.pauseReading()
                    reach(request)
                }
            }
        } catch { end(error.reply) }
        return link.state == .open ? offset : bytes.byteCount
    }

    func finished(_ link: Link) { end([]) }

    func closed(_ link: Link, _ reason: CloseReason) { forget() }

    private func reach(_ request: SocksRequest) {
        switch request.command {
        case .bind: return end(SocksReply.unknownCommand.bytes())
        case .associate:
            guard let stream else { return }
            forget()
            SocksDatagrams(over: stream, for: client)
            return
        case .connect: break
        }
        let target = HostPort(request.place)
        guard target.port > 0, client.allowsAsked(target) else { return refuse(target) }
        let reaching = Reaching(self, target)
        let dialer = client.settings.dial(target)
        if dialer.dial(on: client.loop, deadline: client.settings.dialPatience, handler: reaching) == nil {
            end(SocksReply.failed.bytes())
        }
    }

    private func refuse(_ target: HostPort) {
        client.note(.targetFailed(TargetAddress(.tcp, at: target), "SOCKS5 may not reach it"))
        end(SocksReply.notAllowed.bytes())
    }

    private func reached(_ target: HostPort, _ link: Link) {
        guard let stream else { return link.close(.done) }
        guard client.allowsAsked(link.traits.peer) else {
            link.close(.refused)
            return refuse(target)
        }
        stream.write(SocksReply.succeeded.bytes())
        forget()
        do throws(RelayError) { try Relay(stream, link) } catch {
            stream.close(.reset.with(error.description))
            return link.close(.reset)
        }
        stream.resumeReading()
    }

    private func failed(_ target: HostPort, _ reason: CloseReason) {
        client.note(.targetFailed(TargetAddress(.tcp, at: target), reason.description))
        end(SocksReply(reason).bytes())
    }

    private func end(_ answer: [UInt8]) {
        guard let stream else { return }
        forget()
        if !answer.isEmpty { stream.write(answer) }
        stream.close(.done)
    }

    private func forget() {
        stream = nil
        if let timer = exchange(&timer, with: nil) { client.loop.cancel(timer) }
    }

    /// The link to what was asked for, until it is open.
    private final class Reaching: LinkHandler {
        private var trip: SocksTrip?
        private let target: HostPort
        init(_ trip: SocksTrip, _ target: HostPort) { (self.trip, self.target) = (trip, target) }

        func opened(_ link: Link) { exchange(&trip, with: nil)?.reached(target, link) }
        func receive(_ bytes: RawSpan, endOfMessage: Bool, from link: Link) -> Int { 0 }
        func closed(_ link: Link, _ reason: CloseReason) { exchange(&trip, with: nil)?.failed(target, reason) }
    }
}

extension SocksTrip: TimerTarget {
    func timerFired(_ token: UInt64, on loop: Loop) {
        timer = nil
        exchange(&stream, with: nil)?.close(.handshakeTimeout.with("it did not say what it wants to reach"))
    }
}

extension SocksReply {
    init(_ reason: CloseReason) {
        switch reason {
        case .refused, .connectFailed: self = .refused
        case .connectTimeout: self = .expired
        case .addressUnknown: self = .hostUnreachable
        default: self = .failed
        }
    }
}

extension HostPort {
    init(_ place: SocksPlace) {
        switch place {
        case .name(let name, let port): self.init(host: name, port: port)
        case .ipv4(let address, let port): self.init(SocketAddress.ipv4(address, port: port), port)
        case .ipv6(let high, let low, let port): self.init(SocketAddress.ipv6(high: high, low: low, port: port), port)
        }
    }

    /// IPv4 within IPv6 is IPv4, so that no other way of writing an address goes around a list.
    private init(_ address: SocketAddress, _ port: UInt16) {
        let text = address.host.with(port: port).description
        self = HostPort(text) ?? HostPort(host: "", port: 0)
    }
}
