import CanonicalJSON

/// Durable commands through a socket, in turn with pgbench.
struct CommandsPart {
  let ground: Ground
  let options: BenchOptions
  let baseline: PgBench

  /// What is sent.
  enum Kind: String {
    case create = "pipeline.create"
    case start = "run.start"
  }

  /// One load that is repeated every round.
  struct Cell {
    let kind: Kind
    let connections: Int
    let depth: Int
    let withProjector: Bool
    var rates: [Double] = []
    var ratios: [Double] = []
    var latencies: [UInt32] = []
    /// What it has cost until the read models had it, too.
    var effort = Effort()
    var events = 0

    var name: String {
      let clients = connections == 1 ? "1 connection" : "\(connections) connections"
      let way = depth == 1 ? "one at a time" : "\(depth) deep"
      return "\(kind.rawValue), \(clients), \(way)\(withProjector ? "" : ", no projector")"
    }

    /// The least ratio to pgbench with as many clients.
    var floor: Double { depth > 1 ? 1 : connections > 1 ? 0.5 : 0.35 }
  }

  /// A server with what is needed to load it.
  private struct Target {
    let server: DaybookProcess
    let subjects: Subjects
    let load: LoadGenerator
  }

  /// How large a command and its event are.
  private struct Size {
    let command: Int
    let header: Int
    let body: Int
  }

  func run(into report: inout Report) async throws {
    var targets: [Bool: Target] = [:]
    if options.projector != .off { targets[true] = try await target("projecting", .embedded) }
    if options.projector != .on { targets[false] = try await target("alone", .away) }
    guard let any = targets[true] ?? targets[false] else { return }
    if let projecting = targets[true] { try await ReadModels.settle(projecting.server) }

    var sizes: [Kind: Size] = [:]
    for kind in [Kind.create, .start] { sizes[kind] = try await size(of: kind, on: any) }
    var cells = makeCells(having: Set(targets.keys))
    var baselines: [String: (clients: Int, size: Size, rates: [Double])] = [:]
    var lags: [(events: Double, seconds: Double)] = []
    var series = 10
    for round in 1...options.rounds {
      for kind in [Kind.create, .start] {
        guard let size = sizes[kind] else { continue }
        for clients in [1, 16] {
          if let projecting = targets[true] { try await ReadModels.settle(projecting.server) }
          Progress.say("round \(round) of \(options.rounds): pgbench, \(clients) client\(clients == 1 ? "" : "s")")
          let rate = try baseline.run(
            clients: clients, seconds: options.loadSeconds, headerBytes: size.header, bodyBytes: size.body)
          baselines["\(kind.rawValue) \(clients)", default: (clients, size, [])].rates.append(rate)
          for index in cells.indices where cells[index].kind == kind && cells[index].connections == clients {
            guard let target = targets[cells[index].withProjector] else { continue }
            Progress.say("round \(round) of \(options.rounds): \(cells[index].name)")
            let head = try await target.server.head()
            let before = Effort.now(of: target.server, on: ground.folder)
            let result = try await measure(cells[index], on: target, series: series)
            series += clients
            cells[index].rates.append(result.rate)
            cells[index].ratios.append(result.rate / rate)
            cells[index].latencies += result.latencies
            let lag = cells[index].withProjector ? try await catchUp(target.server) : (0, 0)
            cells[index].events += try await target.server.head() - head
            cells[index].effort =
              cells[index].effort + Effort.now(of: target.server, on: ground.folder).since(before)
            if cells[index].withProjector, cells[index].depth > 1 { lags.append(lag) }
          }
        }
      }
    }
    for target in targets.values { try await target.server.stop() }
    tell(cells, sizes, baselines, into: &report)
    tell(lags, into: &report)
  }

  private func makeCells(having servers: Set<Bool>) -> [Cell] {
    var cells: [Cell] = []
    for kind in [Kind.create, .start] {
      for withProjector in [true, false] where servers.contains(withProjector) {
        // The second kind of command is measured as most servers run: with the projector, where there is one.
        if kind == .start, !withProjector, servers.contains(true) { continue }
        for (connections, depth) in [(1, 1), (16, 1), (16, 32)] {
          cells.append(Cell(kind: kind, connections: connections, depth: depth, withProjector: withProjector))
        }
      }
    }
    return cells
  }

  private func target(_ name: String, _ database: DaybookProcess.Database) async throws -> Target {
    Progress.say("starting Daybook\(database == .away ? " without PostgreSQL" : "")")
    let server = try await DaybookProcess.start(name, database, ground: ground, options: options)
    let subjects = try await server.makeSubjects(pipelines: 100)
    return Target(server: server, subjects: subjects, load: try await server.load(for: subjects))
  }

  /// Sends one command and looks at what it left in the log.
  private func size(of kind: Kind, on target: Target) async throws -> Size {
    let shape = LoadShape(connections: 1, depth: 1, extent: .requests(1))
    let result = try send(kind, shape, on: target, series: kind == .create ? 1 : 2)
    let record = try await target.server.recordSize(at: try await target.server.head())
    return Size(command: Int(result.bytesPerRequest), header: record.header, body: record.body)
  }

  private func measure(_ cell: Cell, on target: Target, series: Int) async throws -> LoadResult {
    let before = try await target.server.head()
    let shape = LoadShape(connections: cell.connections, depth: cell.depth, extent: .seconds(options.loadSeconds))
    let result = try send(cell.kind, shape, on: target, series: series)
    let recorded = try await target.server.head() - before
    guard recorded >= result.requests else {
      throw BenchFailure("\(result.requests) commands were answered, but \(recorded) events were recorded")
    }
    return result
  }

  private func send(_ kind: Kind, _ shape: LoadShape, on target: Target, series: Int) throws -> LoadResult {
    func writer(_ connection: Int) -> CommandWriter {
      CommandWriter(subjects: target.subjects, series: series + connection, givesCommandIDs: options.commandIds)
    }
    switch kind {
    case .create: return try target.load.run(shape) { PipelineCreations(writer: writer($0)) }
    case .start:
      return try target.load.run(shape) { RunStarts(writer: writer($0), pipelines: target.subjects.pipelines) }
    }
  }

  /// How far behind the read models are now, and how long they need for that.
  private func catchUp(_ server: DaybookProcess) async throws -> (events: Double, seconds: Double) {
    let start = Clock.now
    let behind = try await ReadModels.ask(server)
    try await ReadModels.settle(server)
    return (Double(behind.lag), Clock.now - start)
  }

  // MARK: - Telling

  private func tell(
    _ cells: [Cell], _ sizes: [Kind: Size], _ baselines: [String: (clients: Int, size: Size, rates: [Double])],
    into report: inout Report
  ) {
    for kind in [Kind.create, .start] {
      for clients in [1, 16] {
        guard let baseline = baselines["\(kind.rawValue) \(clients)"] else { continue }
        let bytes = "\(baseline.size.header + baseline.size.body) bytes"
        report.add(.baseline(clients: clients, rates: baseline.rates, of: bytes))
      }
    }
    for cell in cells {
      guard let baseline = baselines["\(cell.kind.rawValue) \(cell.connections)"], let size = sizes[cell.kind] else {
        continue
      }
      var figure = Figure(.commands, cell.name, cell.rates.median, "/s")
      figure.latency = Latency(cell.latencies)
      figure.baseline = ("pgbench with \(cell.connections == 1 ? "1 client" : "16 clients")", baseline.rates.median)
      figure.ratio = cell.ratios.median
      figure.rounds = cell.rates
      figure.floor = .ratio(cell.floor)
      figure.more = [
        "command_bytes": .integer(Int64(size.command)), "header_bytes": .integer(Int64(size.header)),
        "body_bytes": .integer(Int64(size.body)), "ratios": .array(cell.ratios.map { .number($0) }),
      ]
      if cell.depth == 1, cell.connections == 1 {
        figure.note = "command of \(size.command) bytes, event of \(size.header + size.body)"
      }
      figure.tell(cell.effort, over: cell.events)
      report.add(figure)
    }
  }

  private func tell(_ lags: [(events: Double, seconds: Double)], into report: inout Report) {
    guard !lags.isEmpty else { return }
    let events = lags.map(\.events)
    let seconds = lags.map(\.seconds)
    var figure = Figure(.commands, "read models behind after 16 x 32", events.median, "events")
    figure.rounds = events
    figure.note =
      "caught up \(Number.text(seconds.median, decimals: 1)) s later (at most \(Number.text(seconds.max() ?? 0, decimals: 1)) s)"
    figure.more = ["seconds_to_catch_up": .array(seconds.map { .number($0) })]
    report.add(figure)
  }
}
