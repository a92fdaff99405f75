# A real web server without Docker: python3 serves the task's own folder. Needs the raw_exec driver, which runs without any
# isolation: for development only.

variable "service_id" {
  type        = string
  default     = "web-server"
  description = "Names the job."
}

variable "service_name" {
  type    = string
  default = "web-server"
}

variable "tenant_id" {
  type    = string
  default = ""
}

variable "environment" {
  type    = map(string)
  default = {}
}

variable "cpu" {
  type    = number
  default = 100
}

variable "memory" {
  type    = number
  default = 64
}

variable "disk" {
  type    = number
  default = 100
}

job "web-server" {
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
      port "http" {}
    }

    ephemeral_disk {
      size = var.disk
    }

    update {
      max_parallel      = 1
      health_check      = "checks"
      min_healthy_time  = "1s"
      healthy_deadline  = "30s"
      progress_deadline = "1m"
    }

    # One new allocation, then the deployment fails and says why, instead of trying for ever.
    restart {
      attempts = 0
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
      name     = "web-${var.service_id}"
      port     = "http"
      provider = "nomad"

      check {
        type     = "http"
        path     = "/"
        interval = "1s"
        timeout  = "1s"
      }
    }

    task "app" {
      driver = "raw_exec"

      config {
        command = "python3"
        args    = ["-m", "http.server", "${NOMAD_PORT_http}", "--bind", "${NOMAD_IP_http}", "--directory", "${NOMAD_TASK_DIR}"]
      }

      template {
        destination = "local/index.html"
        data        = <<-PAGE
          <!doctype html>
          <meta charset="utf-8">
          <title>It works</title>
          <h1>It works</h1>
          <p>This page comes from a task that Nomad runs.</p>
        PAGE
      }

      env = merge({ PYTHONUNBUFFERED = "1" }, var.environment)

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
