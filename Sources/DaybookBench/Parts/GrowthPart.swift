import CanonicalJSON

/// Commands on logs of several lengths: what users have after a month, and after years. Nothing is projected.
struct GrowthPart {
  let ground: Ground
  let options: BenchOptions
  let baseline: PgBench

  /// What is sent.
  private enum Kind: String, CaseIterable {
    case creations = "pipeline.create"
    case mix = "the platform's mix"
  }

  /// How it is sent, with what the rate must be to that of pgbench with as many clients.
  private struct Way {
    let connections: Int
    let depth: Int
    let floor: Double
    let goal: Double

    var name: String {
      "\(connections == 1 ? "1 connection" : "\(connections) connections"), "
        + (depth == 1 ? "one at a time" : "\(depth) deep")
    }
  }

  private static let ways = [
    Way(connections: 1, depth: 1, floor: 0.6, goal: 1), Way(connections: 16, depth: 1, floor: 0.7, goal: 1),
    Way(connections: 16, depth: 32, floor: 1.2, goal: 2),
  ]
  /// Of the mix on the longest log, 16 x 32, to the creations on the shortest.
  private static let mixFloor = 0.6
  private static let mixGoal = 0.9
  /// The bytes of a header and a body that pgbench inserts: those of a pipeline's creation.
  private static let headerBytes = 400
  private static let bodyBytes = 500

  private struct Cell {
    let size: Int
    let kind: Kind
    let way: Way
    var rates: [Double] = []
    var ratios: [Double] = []
    var latencies: [UInt32] = []
    var effort = Effort()
    var events = 0
  }

  private struct Baselines {
    var plain: [Int: [Double]] = [:]
    var indexed: [Int: [Int: [Double]]] = [:]
    var peer: [Int: [Double]] = [:]
  }

  func run(into report: inout Report) async throws {
    let sizes = options.scaledLogSizes
    var logs: [KeptLog] = []
    for size in sizes { logs.append(try await KeptLog.provide(size, ground: ground, options: options)) }
    for size in sizes {
      try baseline.makeIndexedTable(rows: size, headerBytes: Self.headerBytes, bodyBytes: Self.bodyBytes)
    }
    try baseline.preparePeer(options.peerSql)
    var cells = sizes.flatMap { size in
      Kind.allCases.flatMap { kind in Self.ways.map { Cell(size: size, kind: kind, way: $0) } }
    }
    var baselines = Baselines()
    for round in 1...options.rounds {
      for log in logs {
        let length = Self.length(log.events)
        var plain: [Int: Double] = [:]
        for clients in [1, 16] {
          let count = clients == 1 ? "1 client" : "\(clients) clients"
          Progress.say("round \(round) of \(options.rounds), \(length): pgbench, \(count)")
          let rate = try baseline.run(
            clients: clients, seconds: options.loadSeconds, headerBytes: Self.headerBytes, bodyBytes: Self.bodyBytes)
          plain[clients] = rate
          baselines.plain[clients, default: []].append(rate)
          baselines.indexed[log.events, default: [:]][clients, default: []].append(
            try baseline.run(
              .indexed(rows: log.events), clients: clients, seconds: options.loadSeconds,
              headerBytes: Self.headerBytes, bodyBytes: Self.bodyBytes))
          guard !options.peerSql.isEmpty, log.events == sizes[0] else { continue }
          baselines.peer[clients, default: []].append(
            try baseline.run(
              .peer(options.peerCall), clients: clients, seconds: options.loadSeconds, headerBytes: Self.headerBytes,
              bodyBytes: Self.bodyBytes))
        }
        try await measure(log, round, plain, &cells)
      }
    }
    tell(cells, baselines, into: &report)
  }

  /// Measures all loads on a fresh copy of a log.
  private func measure(_ log: KeptLog, _ round: Int, _ plain: [Int: Double], _ cells: inout [Cell]) async throws {
    let name = "growth-\(log.events)"
    let server = try await log.start(name, ground: ground, options: options)
    let load = try await server.load(for: Subjects(organization: log.organizations[0], pipelines: []))
    var series = 10_000 + 1000 * round
    for index in cells.indices where cells[index].size == log.events {
      let (kind, way) = (cells[index].kind, cells[index].way)
      Progress.say(
        "round \(round) of \(options.rounds), \(Self.length(log.events)): \(kind.rawValue), \(way.name)")
      let before = (head: try await server.head(), effort: Effort.now(of: server, on: ground.folder))
      let shape = LoadShape(
        connections: way.connections, depth: way.depth, extent: .seconds(options.loadSeconds))
      let result: LoadResult
      switch kind {
      case .creations:
        result = try load.run(shape) { connection in
          PipelineCreations(
            writer: CommandWriter(
              subjects: Subjects(organization: log.organizations[connection % log.organizations.count], pipelines: []),
              series: series + connection, givesCommandIDs: options.commandIds))
        }
      case .mix:
        result = try load.run(shape) { connection in
          PlatformMix(organizations: log.organizations, series: series + 3 * connection, old: log.pipelines)
        }
      }
      series += 3 * way.connections
      let events = try await server.head() - before.head
      guard events >= result.requests else {
        throw BenchFailure("\(result.requests) commands were answered, but \(events) events were recorded")
      }
      cells[index].rates.append(result.rate)
      if let rate = plain[way.connections] { cells[index].ratios.append(result.rate / rate) }
      cells[index].latencies += result.latencies
      cells[index].effort = cells[index].effort + Effort.now(of: server, on: ground.folder).since(before.effort)
      cells[index].events += events
    }
    try await server.stop()
    try KeptLog.removeCopy(name, ground: ground)
  }

  // MARK: - Telling

  private static func length(_ events: Int) -> String {
    events == 0 ? "empty log" : "log of \(Number.text(Double(events), decimals: 0))"
  }

  private func tell(_ cells: [Cell], _ baselines: Baselines, into report: inout Report) {
    for clients in [1, 16] {
      let count = "\(clients) client\(clients == 1 ? "" : "s")"
      func add(_ name: String, _ rates: [Double]?) {
        guard let rates, !rates.isEmpty else { return }
        var figure = Figure(.growth, "\(name), \(count)", rates.median, "/s")
        figure.rounds = rates
        report.add(figure)
      }
      add("pgbench INSERT into an empty table", baselines.plain[clients])
      for (rows, rates) in baselines.indexed.sorted(by: { $0.key < $1.key }) {
        add("pgbench INSERT into \(Number.text(Double(rows), decimals: 0)) rows with 6 indexes", rates[clients])
      }
      add("the peer's write", baselines.peer[clients])
    }
    for cell in cells {
      var figure = Figure(
        .growth, "\(cell.kind.rawValue), \(cell.way.name), \(Self.length(cell.size))", cell.rates.median, "/s")
      figure.latency = Latency(cell.latencies)
      figure.rounds = cell.rates
      let clients = cell.way.connections
      figure.baseline = (
        "pgbench with \(clients) client\(clients == 1 ? "" : "s")", (baselines.plain[clients] ?? []).median
      )
      figure.ratio = cell.ratios.median
      if cell.kind == .creations {
        figure.floor = .ratio(cell.way.floor)
        figure.goal = cell.way.goal
      }
      figure.tell(cell.effort, over: cell.events)
      if let indexed = baselines.indexed[cell.size]?[clients], indexed.median > 0 {
        figure.more["ratio_to_indexed_table"] = .number((cell.rates.median / indexed.median * 100).rounded() / 100)
      }
      report.add(figure)
    }
    tellMix(cells, into: &report)
  }

  private func tellMix(_ cells: [Cell], into report: inout Report) {
    let deep = cells.filter { $0.way.depth > 1 }
    guard let empty = deep.first(where: { $0.kind == .creations }), let mix = deep.last(where: { $0.kind == .mix }),
      mix.size > empty.size, empty.rates.median > 0
    else { return }
    var figure = Figure(
      .growth, "the mix on a \(Self.length(mix.size)), to creations on an empty one", mix.rates.median, "/s")
    figure.baseline = ("creations on an empty log", empty.rates.median)
    figure.ratio = mix.rates.median / empty.rates.median
    figure.floor = .ratio(Self.mixFloor)
    figure.goal = Self.mixGoal
    report.add(figure)
  }
}

extension Figure {
  /// Says what each event has cost the disk and the processors.
  mutating func tell(_ effort: Effort, over events: Int) {
    guard events > 0 else { return }
    let count = Double(events)
    var words: [String] = []
    if let disk = effort.disk {
      let pages = disk.bytes / 4096 / count
      words.append(
        "\(Number.text(pages, decimals: 2)) pages in \(Number.text(disk.requests / count, decimals: 2)) writes an event"
      )
      more["bytes_written_per_event"] = .number((disk.bytes / count).rounded())
      more["disk_writes_per_event"] = .number((disk.requests / count * 1000).rounded() / 1000)
    }
    words.append("\(Number.text(effort.server / count * 1e6, decimals: 0)) µs of CPU")
    more["server_cpu_us_per_event"] = .number((effort.server / count * 1e7).rounded() / 10)
    if effort.postgres > 0 {
      words.append("\(Number.text(effort.postgres / count * 1e6, decimals: 0)) µs of PostgreSQL's")
      more["postgres_cpu_us_per_event"] = .number((effort.postgres / count * 1e7).rounded() / 10)
    }
    note = ([note].filter { !$0.isEmpty } + [words.joined(separator: ", ")]).joined(separator: "; ")
  }
}
