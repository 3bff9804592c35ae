import OmniwayWire

/// One message to many over short connections, so many of them at once.
final class Broadcast {
    private let node: PeerNode
    private let message: [UInt8]
    private let routes: [ShortRoutes.Route]
    private let promise: Promise<[MeshAnswer]>
    private var answers: [PheromoneMessage?]
    private var next = 0
    private var underWay = 0
    private var isStarting = false

    private static let mostAtOnce = 128

    init(_ node: PeerNode, _ message: [UInt8], over routes: [ShortRoutes.Route], _ promise: Promise<[MeshAnswer]>) {
        (self.node, self.message, self.routes, self.promise) = (node, message, routes, promise)
        answers = Array(repeating: nil, count: routes.count)
    }

    func start() {
        if isStarting { return }  // A call that ends at once is answered within this very loop.
        isStarting = true
        defer { isStarting = false }
        while underWay < Self.mostAtOnce, next < routes.count {
            let index = next
            next += 1
            underWay += 1
            ShortCall(node, message, over: [routes[index]]) { self.ended(index, $0) }.start()
        }
        guard underWay == 0, next == routes.count else { return }
        let given = zip(routes, answers).compactMap { route, message in
            message.map { MeshAnswer(route: MeshRoute(name: route.name, address: route.address), message: $0) }
        }
        promise.fulfil(.success(given))
    }

    /// Those who give no answer are left out.
    private func ended(_ index: Int, _ outcome: ShortCall.Outcome) {
        if case .success(let message) = outcome { answers[index] = message }
        underWay -= 1
        start()
    }
}
