# A Node.js application in Docker: the image holds the application and listens on PORT. Without an image of one's own, the
# official one answers every request with a greeting.

variable "service_id" {
  type        = string
  default     = "nodejs"
  description = "Names the job."
}

variable "service_name" {
  type    = string
  default = "nodejs"
}

variable "tenant_id" {
  type    = string
  default = ""
}

variable "image" {
  type    = string
  default = "node:22-alpine"
}

variable "ports" {
  type        = list(number)
  default     = [3000]
  description = "The first is the port that the application listens on in its container."
}

variable "environment" {
  type    = map(string)
  default = {}
}

variable "NODE_ENV" {
  type    = string
  default = "production"
}

variable "cpu" {
  type    = number
  default = 200
}

variable "memory" {
  type    = number
  default = 256
}

variable "disk" {
  type    = number
  default = 300
}

locals {
  port     = element(concat(var.ports, [3000]), 0)
  greeting = "require('http').createServer((request, answer) => answer.end('It works.\\n')).listen(process.env.PORT)"
}

job "nodejs" {
  id   = var.service_id
  name = var.service_id
  type = "service"

  meta {
    service_name = var.service_name
    tenant_id    = var.tenant_id
  }

  group "main" {
    count = 1

    network {
      port "http" {
        to = local.port
      }
    }

    ephemeral_disk {
      size = var.disk
    }

    update {
      max_parallel      = 1
      health_check      = "checks"
      min_healthy_time  = "5s"
      healthy_deadline  = "3m"
      progress_deadline = "5m"
    }

    # One restart and one new allocation, then the deployment fails and says why, instead of trying for ever.
    restart {
      attempts = 1
      interval = "5m"
      delay    = "5s"
      mode     = "fail"
    }

    reschedule {
      attempts       = 1
      interval       = "1h"
      delay          = "5s"
      delay_function = "constant"
      unlimited      = false
    }

    service {
      name     = "nodejs-${var.service_id}"
      port     = "http"
      provider = "nomad"

      # Not http: which paths an application answers, only its author knows.
      check {
        type     = "tcp"
        interval = "5s"
        timeout  = "2s"
      }
    }

    task "app" {
      driver = "docker"

      config {
        image = var.image
        ports = ["http"]
        args  = var.image == "node:22-alpine" ? ["node", "-e", local.greeting] : []
      }

      env = merge({ NODE_ENV = var.NODE_ENV, PORT = format("%d", local.port) }, var.environment)

      kill_timeout = "10s"

      logs {
        max_files     = 2
        max_file_size = 10
      }

      resources {
        cpu    = var.cpu
        memory = var.memory
      }
    }
  }
}
