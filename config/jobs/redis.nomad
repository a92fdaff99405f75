# Redis in Docker, with its append-only file in the allocation's own sticky disk.

variable "service_id" {
  type        = string
  default     = "redis"
  description = "Names the job."
}

variable "service_name" {
  type    = string
  default = "redis"
}

variable "tenant_id" {
  type    = string
  default = ""
}

variable "image" {
  type    = string
  default = "redis:7-alpine"
}

variable "ports" {
  type        = list(number)
  default     = [6379]
  description = "The first is the port that the server listens on in its container."
}

variable "environment" {
  type    = map(string)
  default = {}
}

variable "MAXMEMORY_POLICY" {
  type        = string
  default     = "noeviction"
  description = "What Redis does when its memory is full."
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
  default = 512
}

locals {
  port = element(concat(var.ports, [6379]), 0)
}

job "redis" {
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
      port "redis" {
        to = local.port
      }
    }

    ephemeral_disk {
      size    = var.disk
      sticky  = true
      migrate = true
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
      name     = "redis-${var.service_id}"
      port     = "redis"
      provider = "nomad"

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
        ports = ["redis"]

        args = [
          "redis-server",
          "--port", format("%d", local.port),
          "--dir", "/alloc/data",
          "--appendonly", "yes",
          # A part of the memory is for the server itself and for writing its file anew.
          "--maxmemory", "${floor(var.memory * 3 / 4)}mb",
          "--maxmemory-policy", var.MAXMEMORY_POLICY,
        ]
      }

      env = var.environment

      kill_timeout = "15s"

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
