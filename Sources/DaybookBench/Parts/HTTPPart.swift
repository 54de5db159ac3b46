import CanonicalJSON

/// Events of OpenLineage over HTTP, in turn with the same ones through the socket.
struct HTTPPart {
  let ground: Ground
  let options: BenchOptions

  /// How the events come.
  private enum Way {
    /// By `openlineage.record`, so many of a connection unanswered.
    case socket(depth: Int)
    /// One in each request.
    case single
    /// So many in each request.
    case batch(Int)
  }

  /// One load that is repeated every round.
  private struct Cell {
    let way: Way
    let connections: Int
    var rates: [Double] = []
    var latencies: [UInt32] = []
    var effort = Effort()
    var events = 0

    var name: String {
      let clients = connections == 1 ? "1 connection" : "\(connections) connections"
      return switch way {
      case .socket(1): "openlineage.record, \(clients), one at a time"
      case .socket(let depth): "openlineage.record, \(clients), \(depth) deep"
      case .single: "HTTP, \(clients), one event a request"
      case .batch(let size): "HTTP, \(clients), \(size) events a request"
      }
    }
  }

  /// What HTTP must reach with 16 connections, of the socket with as many.
  private static let leastOfSocket = 0.7

  func run(into report: inout Report) async throws {
    let server = try await DaybookProcess.start("http", .embedded, ground: ground, options: options, speaksHTTP: true)
    let subjects = try await server.makeSubjects(pipelines: 1)
    let key = try await server.key(for: subjects)
    let lines = try await server.load(for: subjects)
    let requests = try server.httpLoad()
    // Each stands behind what it is compared with.
    var cells: [Cell] = []
    for connections in [1, 16] {
      cells.append(Cell(way: .socket(depth: 1), connections: connections))
      cells.append(Cell(way: .single, connections: connections))
      cells.append(Cell(way: .socket(depth: 100), connections: connections))
      cells.append(Cell(way: .batch(100), connections: connections))
    }
    var series = 90_000
    for round in 1...options.rounds {
      for index in cells.indices {
        let cell = cells[index]
        try await ReadModels.settle(server)
        Progress.say("round \(round) of \(options.rounds): \(cell.name)")
        let head = try await server.head()
        let before = Effort.now(of: server, on: ground.folder)
        let first = series
        series += cell.connections
        let depth = if case .socket(let depth) = cell.way { depth } else { 1 }
        let shape = LoadShape(connections: cell.connections, depth: depth, extent: .seconds(options.loadSeconds))
        let each: Int
        let result: LoadResult
        switch cell.way {
        case .socket:
          each = 1
          result = try lines.run(shape) { LineageLines(series: first + $0, organization: subjects.organization) }
        case .single:
          each = 1
          result = try requests.run(shape) { LineageRequests(series: first + $0, key: key, batch: nil) }
        case .batch(let size):
          each = size
          result = try requests.run(shape) { LineageRequests(series: first + $0, key: key, batch: size) }
        }
        let recorded = try await server.head() - head
        guard recorded >= result.requests * each else {
          throw BenchFailure("\(result.requests * each) events were answered, but \(recorded) were recorded")
        }
        cells[index].rates.append(result.rate * Double(each))
        cells[index].latencies += result.latencies
        cells[index].events += result.requests * each
        try await ReadModels.settle(server)
        cells[index].effort = cells[index].effort + Effort.now(of: server, on: ground.folder).since(before)
      }
    }
    try await server.stop()
    for (index, cell) in cells.enumerated() {
      var figure = Figure(.http, cell.name, cell.rates.median, "events/s")
      figure.latency = Latency(cell.latencies)
      figure.rounds = cell.rates
      if case .socket = cell.way {
      } else {
        let socket = cells[index - 1]
        figure.baseline = ("the socket's", socket.rates.median)
        figure.ratio = zip(cell.rates, socket.rates).map { $0 / $1 }.median
        if case .single = cell.way, cell.connections == 16 { figure.floor = .ratio(Self.leastOfSocket) }
      }
      figure.tell(cell.effort, over: cell.events)
      report.add(figure)
    }
  }
}
