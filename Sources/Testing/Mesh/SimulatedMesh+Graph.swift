import OmniwayWire

/// What the links of those that run look like as a graph.
extension SimulatedMesh {
    public struct Graph: Sendable {
        /// How many of those alive are reached from the first of them.
        public var reachable = 0
        /// Links that only one of the two has.
        public var asymmetric = 0
        /// The share of nodes whose views are full.
        public var full = 0.0
        /// Between two nodes, over a sample of them.
        public var averagePath = 0.0
        public var eccentricity = 0
        /// How many of the neighbours of a node are neighbours of each other.
        public var clustering = 0.0
    }

    /// Paths are measured from so many nodes.
    public func graph(samples: Int = 50) -> Graph {
        var graph = Graph()
        let alive = alive
        guard let first = alive.first else { return graph }
        var links: [[Int]] = Array(repeating: [], count: count)
        for node in alive { links[node] = neighbors(node).filter { isAlive($0) } }
        graph.reachable = distances(from: first, links).count { $0 >= 0 }
        for node in alive {
            graph.asymmetric += neighbors(node).count { !isAlive($0) || !neighbors($0).contains(node) }
        }
        let wanted = min(settings.membership.active, alive.count - 1)
        graph.full = Double(alive.count { links[$0].count >= wanted }) / Double(alive.count)
        var (sum, pairs) = (0, 0)
        let step = max(1, alive.count / max(1, samples))
        for node in stride(from: 0, to: alive.count, by: step).map({ alive[$0] }) {
            for distance in distances(from: node, links) where distance > 0 {
                sum += distance
                pairs += 1
                graph.eccentricity = max(graph.eccentricity, distance)
            }
        }
        graph.averagePath = pairs == 0 ? 0 : Double(sum) / Double(pairs)
        graph.clustering = clustering(alive, links)
        return graph
    }

    private func distances(from start: Int, _ links: [[Int]]) -> [Int] {
        var distances = Array(repeating: -1, count: count)
        distances[start] = 0
        var (front, next) = ([start], 0)
        while next < front.count {
            let node = front[next]
            next += 1
            for neighbor in links[node] where distances[neighbor] < 0 {
                distances[neighbor] = distances[node] + 1
                front.append(neighbor)
            }
        }
        return distances
    }

    private func clustering(_ alive: [Int], _ links: [[Int]]) -> Double {
        var sum = 0.0
        for node in alive where links[node].count > 1 {
            let near = links[node]
            var linked = 0
            for (index, one) in near.enumerated() {
                for other in near[(index + 1)...] where links[one].contains(other) { linked += 1 }
            }
            sum += Double(2 * linked) / Double(near.count * (near.count - 1))
        }
        return sum / Double(alive.count)
    }
}
