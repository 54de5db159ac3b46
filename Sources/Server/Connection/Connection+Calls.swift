import Access
import CanonicalJSON
import Domain
import EventLog
import NIOCore
import Protocol
import Queries
import Refusals

/// A command that waits for one before it.
struct HeldCommand {
  let request: Request
  let principal: Principal
  let ticket: UInt64
  let reply: Reply
}

/// A query that waits for its turn.
struct HeldQuery {
  let request: Request
  let principal: Principal?
  let reply: Reply
  /// The commands that were sent before it.
  let commandsBefore: UInt64
  let kind: ServerMetrics.Kind
  let answer: @Sendable (QueryCall) async throws -> [UInt8]
}

/// What a query is answered from.
struct QueryCall: Sendable {
  let params: JSONObject
  let principal: Principal?
  let atLeast: UInt64
  let timeoutMilliseconds: Int
}

extension Connection {
  /// Answers with an error, and counts it.
  func fail(_ reply: Reply, _ error: Refusal, kind: ServerMetrics.Kind) {
    services.metrics.refused(error.code)
    reply.fail(error, kind: kind)
  }

  /// Hands a call to whoever answers it.
  func route(_ request: Request, _ reply: Reply) {
    do {
      guard let method = services.methods[request.method] else {
        // Strangers learn nothing about what there is, but by rpc.discover.
        guard try currentPrincipal() != nil else { throw Refusal.unauthenticated() }
        throw Refusal.methodNotFound(
          request.method, suggestions: services.methods.suggestions(for: request.method))
      }
      let principal = try currentPrincipal()
      if principal == nil, !method.isOpenToStrangers { throw Refusal.unauthenticated() }
      switch method {
      case .command:
        guard let principal else { throw Refusal.unauthenticated() }
        commandsSent += 1
        let command = HeldCommand(request: request, principal: principal, ticket: commandsSent, reply: reply)
        if isPreparing { heldCommands.append(command) } else { run(command) }
      case .query:
        guard let principal else { throw Refusal.unauthenticated() }
        services.metrics.asked(request.method)
        let queries = services.queries
        let name = request.method
        enqueue(request, principal, reply, kind: .query) { call in
          try await queries.answer(
            method: name, params: call.params, principal: principal, atLeast: call.atLeast,
            timeoutMilliseconds: call.timeoutMilliseconds)
        }
      case .server(let method):
        try run(method, request, principal, reply)
      }
    } catch {
      fail(reply, services.describe(error, method: request.method), kind: .server)
    }
  }

  // MARK: Commands

  /// Submits a command, or prepares it in the background first and holds back the commands behind it.
  private func run(_ command: HeldCommand) {
    let prepared: PreparedCommand
    do {
      prepared = try services.engine.prepare(
        method: command.request.method, params: command.request.params, principal: command.principal,
        origin: peer.origin(for: session))
    } catch {
      refuse(command, error)
      return
    }
    guard prepared.needsBackground else {
      submit(prepared, command)
      return
    }
    isPreparing = true
    let eventLoop = eventLoop
    _ = services.connections.spawn {
      let failure: (any Error)?
      do {
        try await prepared.prepareInBackground()
        failure = nil
      } catch {
        failure = error
      }
      eventLoop.execute {
        self.isPreparing = false
        if let failure { self.refuse(command, failure) } else { self.submit(prepared, command) }
        while !self.isPreparing, let next = self.heldCommands.popFirst() { self.run(next) }
      }
    }
  }

  private func refuse(_ command: HeldCommand, _ error: any Error) {
    commands.complete(command.ticket, position: nil)
    fail(command.reply, services.describe(error, method: command.request.method), kind: .command)
  }

  private func submit(_ prepared: PreparedCommand, _ command: HeldCommand) {
    let commands = commands
    let services = services
    let reply = command.reply
    let ticket = command.ticket
    services.engine.submit(prepared) { result in
      switch result {
      case .success(let result):
        commands.complete(ticket, position: result.position)
        reply.succeed(result.resultBytes, kind: .command)
      case .failure(let error):
        commands.complete(ticket, position: nil)
        services.metrics.refused(error.code)
        reply.fail(services.describe(error, method: prepared.method), kind: .command)
      }
    }
  }

  // MARK: Queries

  /// Runs a query as a task of its own, or lets it wait where too many run.
  func enqueue(
    _ request: Request, _ principal: Principal?, _ reply: Reply, kind: ServerMetrics.Kind,
    answer: @escaping @Sendable (QueryCall) async throws -> [UInt8]
  ) {
    let query = HeldQuery(
      request: request, principal: principal, reply: reply, commandsBefore: commandsSent, kind: kind, answer: answer)
    if runningQueries < Self.maximumQueries { run(query) } else { heldQueries.append(query) }
  }

  private func run(_ query: HeldQuery) {
    runningQueries += 1
    nextTask += 1
    let ticket = nextTask
    let services = services
    let commands = commands
    let eventLoop = eventLoop
    tasks[ticket] = services.connections.spawn {
      do {
        var params = query.request.params
        let wait = try ReadWait(taking: &params)
        let atLeast = try await wait.resolve(after: query.commandsBefore, of: commands, log: services.log)
        let call = QueryCall(
          params: params, principal: query.principal, atLeast: atLeast, timeoutMilliseconds: wait.timeoutMilliseconds)
        query.reply.succeed(try await query.answer(call), kind: query.kind)
      } catch {
        let described = services.describe(error, method: query.request.method)
        services.metrics.refused(described.code)
        query.reply.fail(described, kind: query.kind)
      }
      eventLoop.execute {
        self.tasks[ticket] = nil
        self.runningQueries -= 1
        if let next = self.heldQueries.popFirst() { self.run(next) }
      }
    }
  }

  // MARK: The server's own methods

  private func run(_ method: ServerMethod, _ request: Request, _ principal: Principal?, _ reply: Reply) throws {
    if method.access == .administrator, principal?.isAdministrator != true {
      throw Refusal.forbidden(permission: "admin", "This is for administrators.")
    }
    switch method.work {
    case .immediate(let answer):
      var parameters = CallParameters(request.params)
      let result = try answer(services, &parameters)
      try parameters.finish()
      reply.succeed(JSON.object(result).canonicalBytes, kind: .server)
    case .task(let answer):
      let services = services
      let outbox = outbox
      enqueue(request, principal, reply, kind: .server) { call in
        let administrator = principal?.isAdministrator == true
        let context = ServerCall(
          services: services, principal: principal, isAdministrator: administrator, outbox: outbox)
        return try await answer(context, CallParameters(call.params))
      }
    case .sessionOpen: openSession(request, reply)
    case .sessionClose: try closeSession(request, reply)
    case .sessionWhoami:
      var parameters = CallParameters(request.params)
      try parameters.finish()
      guard let principal else { throw Refusal.unauthenticated() }
      reply.succeed(JSON.object(Session.description(of: principal, services.catalog)).canonicalBytes, kind: .server)
    case .subscribe: try subscribe(request, principal, reply)
    case .unsubscribe: try unsubscribe(request, reply)
    }
  }
}
